"""What decides the result of a piece of work, so that only the same work is gone on with.

Work is described as a flat dictionary, by the names in which a change is told to the user.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict

from mcqa.question import Question


def digest(rows: Iterable) -> str:
    """Return 16 hexadecimal digits that change with what the rows hold as JSON."""
    sha256 = hashlib.sha256()
    for row in rows:
        sha256.update(json.dumps(row).encode() + b"\n")
    return sha256.hexdigest()[:16]


def digest_questions(questions: Iterable[Question]) -> str | None:
    """Return how many questions there are and what changes with all they hold; None for none."""
    rows = [asdict(question) for question in questions]
    return f"{len(rows):,} with checksum {digest(rows)}" if rows else None


def tell_changes(before: Mapping, now: Mapping) -> str:
    """Return a line for each entry that differs, an empty text where none does.

    >>> print(tell_changes({"template": "cloze", "seed": 0}, {"template": "lettered", "seed": 0}))
      template: 'cloze' then, 'lettered' now
    """
    pairs = {name: (before.get(name), now.get(name)) for name in dict.fromkeys((*before, *now))}
    return "\n".join(f"  {name}: {a!r} then, {b!r} now" for name, (a, b) in pairs.items() if a != b)
