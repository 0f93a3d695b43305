"""Look for what is wrong with questions that can be read: doubles, broken texts, uneven labels.

One pass, and of each question only a key is kept, so that large sets can be checked.
"""

import re
from collections import Counter
from collections.abc import Container
from dataclasses import dataclass, field

from mcqa.data.same import normalise, question_key
from mcqa.kinds import KINDS
from mcqa.question import Question

EXAMPLES = 5

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
_BEYOND_ASCII = re.compile(r"[^\x00-\x7f]{2,}")

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
    "label against targets": "the right option is not the likeliest of its soft labels",
}


@dataclass
class Finding:
    """Hold how many questions have a fault, and the ids of the first."""

    count: int = 0
    examples: list[str] = field(default_factory=list)


@dataclass
class Seen:
    """Hold what the questions of one kind have for answers."""

    n: int = 0
    labels: Counter[int] = field(default_factory=Counter)  # how often each option is right
    singles: int = 0  # questions with one right option
    soft: int = 0  # questions with soft labels
    chance: float = 0.0  # the sum over labelled questions of one by their number of options

    def see(self, question: Question) -> None:
        """Take note of one question."""
        several, label = KINDS[question.kind].several, question.label
        right = () if label is None else label if several else (label,)
        self.n += 1
        self.labels.update(right)
        self.singles += len(right) == 1
        self.soft += question.targets is not None
        if right and not several:
            self.chance += 1 / len(question.options)


class Findings:
    """Gather counts and faults while questions go by.

    Args:
        others: the keys (`mcqa.data.same.question_key`) of another set's questions.
    """

    def __init__(self, others: Container[bytes] = frozenset()):
        self.faults = {name: Finding() for name in WARNINGS}
        self.option_counts: Counter[int] = Counter()
        self.kinds = {name: Seen() for name in KINDS}
        self.subjects: Counter[str | None] = Counter()
        self._others = others
        self._answers: dict[bytes, int | None] = {}  # a hash of the right answer, by key

    def see(self, question: Question) -> Question:
        """Take note of one question, and return it."""
        self.option_counts[len(question.options)] += 1
        self.kinds[question.kind].see(question)
        self.subjects[question.subject] += 1
        for name, found in self._look(question).items():
            if found:
                fault = self.faults[name]
                fault.count += 1
                if fault.count <= EXAMPLES:
                    fault.examples.append(question.id)
        return question

    def _look(self, question: Question) -> dict[str, bool]:
        options, key = set(question.options), question_key(question)
        answer = _answer_key(question.answer)
        again = key in self._answers
        first = self._answers.setdefault(key, answer)
        text = "\n".join((question.stem, question.context or "", *question.options))
        return {
            "duplicate options": len(options) < len(question.options),
            "near-duplicate options": len(set(map(normalise, options))) < len(options),
            "invisible options": not all(map(_visible, question.options)),
            "duplicate questions": again,
            "conflicting answers": None not in (answer, first) and answer != first,
            "questions of the other set": key in self._others,
            "mojibake": any(map(_is_mojibake, _BEYOND_ASCII.findall(text))),
            "replacement characters": "\ufffd" in text,
            "control characters": bool(_CONTROL.search(text)),
            "label against targets": _contradicts(question),
        }


def _answer_key(answer: str | tuple[str, ...] | None) -> int | None:
    if answer is None:
        return None
    return hash(normalise(answer) if isinstance(answer, str) else frozenset(map(normalise, answer)))


def _contradicts(question: Question) -> bool:
    """Return whether a label and the soft labels beside it cannot both be meant."""
    label, targets = question.label, question.targets
    if label is None or targets is None:
        return False
    if KINDS[question.kind].several:
        return any((p > 0.5) != (i in label) for i, p in enumerate(targets) if p != 0.5)
    return targets[label] < max(targets)


def _visible(text: str) -> bool:
    return any(character.isprintable() and character != " " for character in text)


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
