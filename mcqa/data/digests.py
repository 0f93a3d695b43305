"""What decides the result of a piece of work, so that only the same work is gone on with.

Here every byte counts; whether two questions are the same to a reader is told by `mcqa.data.same`.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict

from mcqa.question import Question

_ADDED = ("targets", "names", "state_id")


def question_row(question: Question) -> dict:
    """Return a question's fields as JSON holds them, and as the generic format reads them.

    What only some kinds of questions have is left out where it is not there, so that the digests
    of plain choices do not change with what else there is.
    """
    row = asdict(question)
    if question.kind == Question.kind:
        del row["kind"]
    if isinstance(question.label, tuple):  # as indices, 0 and 1 of two options could be marks
        row["label"] = [index in question.label for index in range(len(question.options))]
    return {name: value for name, value in row.items() if value is not None or name not in _ADDED}


def digest(rows: Iterable) -> str:
    """Return 16 hexadecimal digits that change with what the rows hold as JSON."""
    return _count_and_digest(rows)[1]


def digest_questions(questions: Iterable[Question]) -> str | None:
    """Return how many questions there are and what changes with all they hold; None for none."""
    n, checksum = _count_and_digest(map(question_row, questions))
    return f"{n:,} with checksum {checksum}" if n else None


def _count_and_digest(rows: Iterable) -> tuple[int, str]:
    sha256, n = hashlib.sha256(), 0
    for n, row in enumerate(rows, 1):  # noqa: B007
        sha256.update(json.dumps(row, default=repr).encode() + b"\n")
    return n, sha256.hexdigest()[:16]


def describe_changes(before: Mapping, now: Mapping) -> str:
    """Return a line for each entry that differs, an empty text where none does.

    >>> print(describe_changes({"template": "cloze", "k": 0}, {"template": "lettered", "k": 0}))
      template: 'cloze' then, 'lettered' now
    """
    pairs = {name: (before.get(name), now.get(name)) for name in dict.fromkeys((*before, *now))}
    return "\n".join(f"  {name}: {a!r} then, {b!r} now" for name, (a, b) in pairs.items() if a != b)
