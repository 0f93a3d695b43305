"""Look for what is wrong with questions that can be read: doubles, broken texts, uneven labels.

One pass, and of each question only a digest is kept, so that large sets can be checked. The trap of
near-duplicates is to find too many: "10 mg" and "100 mg", "A+" and "A-" differ by one character and
are meant to. So texts are near-duplicates only where case, white space, hyphens and punctuation
around them are all that differs, and only within one question.
"""

import hashlib
import re
import unicodedata
from collections import Counter
from collections.abc import Container
from dataclasses import dataclass, field

from mcqa.question import Question

EXAMPLES = 5

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
_BEYOND_ASCII = re.compile(r"[^\x00-\x7f]{2,}")
_HYPHEN = re.compile(r"(?<=[^\W\d])[-\u2010\u2011\u2013](?=[^\W\d])")
_AROUND = " .,;:!?\"'`\u2018\u2019\u201c\u201d"

# What each finding means, in the order of the report. None of them makes a question unusable.
WARNINGS = {
    "duplicate options": "two options of a question are the same",
    "near-duplicate options": "they differ only in case, white space, hyphens or punctuation",
    "invisible options": "an option has no visible character",
    "duplicate questions": "stem, options and context are those of an earlier question",
    "conflicting answers": "such a question has another right answer than the earlier one",
    "questions of the other set": "stem, options and context are those of a question there",
    "mojibake": "UTF-8 that was read as another encoding, like \u00c3\u00a9 for \u00e9",
    "replacement characters": "U+FFFD stands where a character was lost",
    "control characters": "a text has control characters",
}


@dataclass
class Finding:
    """Hold how many questions have a fault, and the ids of the first."""

    count: int = 0
    examples: list[str] = field(default_factory=list)

    def add(self, example: str) -> None:
        """Count one more."""
        self.count += 1
        if len(self.examples) < EXAMPLES:
            self.examples.append(example)


class Findings:
    """Gather counts and faults while questions go by.

    Args:
        others: the digests (see `digest`) of another set's questions.

    Attributes:
        faults: a `Finding` for each of `WARNINGS`.
        option_counts, labels, subjects: how many questions have each; the label None is unknown.
        chance: the sum over labelled questions of one by their number of options.
    """

    def __init__(self, others: Container[bytes] = frozenset()):
        self.faults = {name: Finding() for name in WARNINGS}
        self.option_counts: Counter[int] = Counter()
        self.labels: Counter[int | None] = Counter()
        self.subjects: Counter[str | None] = Counter()
        self.chance = 0.0
        self._others = others
        self._answers: dict[bytes, int | None] = {}  # a hash of the right answer, by digest

    def see(self, question: Question) -> Question:
        """Take note of one question, and return it."""
        self.option_counts[len(question.options)] += 1
        self.labels[question.label] += 1
        self.subjects[question.subject] += 1
        if question.label is not None:
            self.chance += 1 / len(question.options)
        for name in (*self._doubles(question), *_broken(question)):
            self.faults[name].add(question.id)
        return question

    def _doubles(self, question: Question) -> list[str]:
        found = []
        options = set(question.options)
        if len(options) < len(question.options):
            found.append("duplicate options")
        if len({bare(option) for option in options}) < len(options):
            found.append("near-duplicate options")
        if not all(map(_visible, question.options)):
            found.append("invisible options")
        key = digest(question)
        answer = None if question.label is None else hash(bare(question.answer))
        if key not in self._answers:
            self._answers[key] = answer
        else:
            found.append("duplicate questions")
            if None not in (answer, self._answers[key]) and answer != self._answers[key]:
                found.append("conflicting answers")
        if key in self._others:
            found.append("questions of the other set")
        return found


def digest(question: Question) -> bytes:
    """Return 8 bytes that stand for a question's normalised stem, context and set of options."""
    options = sorted(map(bare, question.options))
    parts = (bare(question.stem), bare(question.context or ""), *options)
    return hashlib.blake2b("\x1f".join(parts).encode(), digest_size=8).digest()


def bare(text: str) -> str:
    """Return a text without what near-duplicates may differ in.

    >>> bare("  T-cell   lymphoma. ") == bare("t cell Lymphoma")
    True
    >>> bare("A+") == bare("A-")
    False
    """
    if not text.isascii():
        text = unicodedata.normalize("NFC", text)
    plain = " ".join(_HYPHEN.sub(" ", text.casefold()).split())
    return plain.strip(_AROUND) or plain


def _visible(text: str) -> bool:
    return any(character.isprintable() and character != " " for character in text)


def _broken(question: Question) -> list[str]:
    parts = (question.stem, question.context or "", *question.options)
    text = "\n".join(parts)
    found = ["control characters"] if _CONTROL.search(text) else []
    if text.isascii():
        return found
    if "\ufffd" in text:
        found.append("replacement characters")
    if any(map(_is_mojibake, _BEYOND_ASCII.findall(text))):
        found.append("mojibake")
    return found


def _is_mojibake(characters: str) -> bool:
    """Return whether characters, as bytes of Windows-1252, are UTF-8: by chance they hardly are."""
    try:
        b"".join(map(_byte, characters)).decode()
    except UnicodeError:
        return False
    return True


def _byte(character: str) -> bytes:
    """Windows-1252 has no character for five bytes; decoders leave them as they are."""
    try:
        return character.encode("cp1252")
    except UnicodeEncodeError:
        return character.encode("latin-1")
