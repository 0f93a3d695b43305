"""When two questions are the same to a reader: one answer for everybody who asks.

The context counts, for the same words ask something else about another passage. Id and label do
not: ids may be row numbers, and a question that has two labels is one. The trap of near-duplicates
is to find too many: "10 mg" and "100 mg", "A+" and "A-" differ by one character and are meant to.
"""

import hashlib
import re
import unicodedata
from collections.abc import Iterable

from mcqa.prediction import Prediction
from mcqa.question import Question

_HYPHEN = re.compile(r"(?<=[^\W\d])[-\u2010\u2011\u2013](?=[^\W\d])")
_AROUND = " .,;:!?\"'`\u2018\u2019\u201c\u201d"


def normalise(text: str) -> str:
    """Return a text without case, white space, hyphens and punctuation around it.

    >>> normalise("  T-cell   lymphoma. ") == normalise("t cell Lymphoma")
    True
    >>> normalise("A+") == normalise("A-")
    False
    """
    if not text.isascii():
        text = unicodedata.normalize("NFC", text)
    plain = " ".join(_HYPHEN.sub(" ", text.casefold()).split())
    return plain.strip(_AROUND) or plain


def question_key(question: Question) -> bytes:
    """Return what questions have in common whose stem, context and options, in any order, do."""
    options = sorted(map(normalise, question.options))
    return _hashed(question.stem, question.context or "", *options)


def exact_key(question: Question) -> bytes:
    """Return what questions have in common that are the same to the letter but for the label."""
    content = "\x1f".join((question.stem, question.context or "", *question.options))
    return hashlib.blake2b(content.encode(), digest_size=8).digest()


def row_keys(question: Question) -> tuple:
    """Return two keys, one of which a question shares with itself in another version of its set.

    The second is of id, stem and context, and outlives that an option is added or corrected.
    """
    asked = _hashed(question.stem, question.context or "")
    return question_key(question), (question.id, asked)


def text_key(text: str) -> str:
    """Return what a text and its near-duplicates have in common."""
    return _hashed(text).hex()


def answer_key(item: Question | Prediction) -> tuple[str, int | None]:
    """Return by what a question and its answers, which have no texts, find each other."""
    return item.id, item.label


def same_answers(some: Iterable[Prediction], others: Iterable[Prediction]) -> bool:
    """Return whether answers are to the same questions, as far as they share ids.

    Ids may be mere row numbers, which two files share without sharing a question; then some of the
    labels or numbers of options differ.
    """
    known = {other.id: (answer_key(other), len(other.scores)) for other in others}
    alike = [(answer_key(p), len(p.scores)) == known[p.id] for p in some if p.id in known]
    return bool(alike) and all(alike)


def _hashed(*texts: str) -> bytes:
    content = "\x1f".join(map(normalise, texts))
    return hashlib.blake2b(content.encode(), digest_size=8).digest()
