"""Which questions a run has seen: digests of their texts, so that the texts need not be kept.

    trained 5b0c… 91ab… 7e02…      one that it was trained on
    validated 03fd… aa51… 6be9…    one that it was validated on

The trap: a question comes back under another id, in another order of options or with one of them
corrected. So there are three digests (see `mcqa.data.same`): of the question to the letter, and the
two keys one of which it shares with itself in another version of its set.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from mcqa.data.same import exact_key, row_keys
from mcqa.errors import ModelError
from mcqa.question import Question
from mcqa.system.files import write_whole

SEEN_FILE = "questions_seen.txt"


class Seen(NamedTuple):
    """Hold the digests of questions: to the letter, to a reader, and by id without options."""

    exact: frozenset[str]
    same: frozenset[str]
    named: frozenset[str]

    @classmethod
    def of(cls, questions: Iterable[Question]) -> "Seen":
        """Return the digests of questions."""
        return cls.joined(map(_digests, questions))

    @classmethod
    def joined(cls, digests: Iterable[Sequence[str]]) -> "Seen":
        """Return the digests of questions together."""
        rows = list(digests)
        return cls(*(frozenset(row[place] for row in rows) for place in range(3)))

    def find(self, questions: Iterable[Question]) -> dict[str, list[str]]:
        """Return the ids of the questions that are among these: `exact`, and `near` ones.

        Near are those that are the same to a reader, and those of one id, stem and context.
        """
        found = {"exact": [], "near": []}
        for question in questions:
            exact, same, named = _digests(question)
            if exact in self.exact:
                found["exact"].append(question.id)
            elif same in self.same or named in self.named:
                found["near"].append(question.id)
        return found


def write_seen(folder: Path, questions: Mapping[str, Iterable[Question]]) -> None:
    """Write the digests of a run's questions, `trained` and `validated`, in no order of theirs."""
    lines = {
        " ".join((part, *_digests(question)))
        for part, of_part in questions.items()
        for question in of_part
    }
    write_whole(folder / SEEN_FILE, "".join(f"{line}\n" for line in sorted(lines)))


def read_seen(folder: Path) -> dict[str, Seen] | None:
    """Return what a run has seen, `trained` and `validated`; None of runs that kept no digests.

    Raises:
        ModelError: the file is damaged.
    """
    path, parts = Path(folder) / SEEN_FILE, {"trained": [], "validated": []}
    if not path.is_file():
        return None
    try:
        for line in path.read_text(encoding="ascii").splitlines():
            part, exact, same, named = line.split(" ")
            parts[part].append((exact, same, named))
    except (ValueError, KeyError, OSError) as error:
        raise ModelError(
            f"{path}: not the digests of a run's questions ({type(error).__name__}: {error}). "
            "Restore the run folder, or remove this file to do without them."
        ) from error
    return {part: Seen.joined(rows) for part, rows in parts.items()}


def _digests(question: Question) -> tuple[str, str, str]:
    same, (id, asked) = row_keys(question)
    named = hashlib.blake2b(id.encode() + asked, digest_size=8)
    return exact_key(question).hex(), same.hex(), named.hexdigest()
