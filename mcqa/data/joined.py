"""Several sources read as one: the 57 files of MMLU's release, or files of different kinds.

Each is read as it would be alone, so that it has a format, and a base of labels, of its own. The
traps: two files may use the same ids for different questions, and shards of a set are no subjects.
"""

import functools
import itertools
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace

from mcqa.data.files import subject_of
from mcqa.data.reader import Account, QuestionReader, Reader
from mcqa.question import Question

_SHARD = re.compile(r"-\d{5}-of-\d{5}$")


class JoinedReader(Reader):
    """Iterate over the questions of readers, one after the other.

    A question without a subject gets the name of its file for one, where these tell files apart.
    Where an id stands in two files, the file's name is put before every id.
    """

    def __init__(self, name: str, readers: Sequence[QuestionReader], limit: int | None = None):
        self.name = name
        self._readers = readers
        self._limit = limit
        self._begun: list[QuestionReader] = []

    @property
    def account(self) -> Account:
        """What became of the other rows of all sources."""
        accounts = [reader.account for reader in self._begun]
        return Account(
            rejected=[entry for account in accounts for entry in account.rejected],
            hidden=sum(account.hidden for account in accounts),
            several=sum(account.several for account in accounts),
            skipped=self._readers[0].account.skipped,
        )

    @property
    def format(self) -> str:
        """The formats of the sources."""
        return ", ".join(dict.fromkeys(reader.format for reader in self._readers))

    def counts_from(self) -> dict:
        """Return the `value` that all labels count from, None where they differ, and why."""
        found = [reader.counts_from() for reader in self._readers]
        values = {one["value"] for one in found}
        evidence = "; ".join(dict.fromkeys(one["evidence"] for one in found))
        return {"value": values.pop() if len(values) == 1 else None, "evidence": evidence}

    def __iter__(self) -> Iterator[Question]:
        return itertools.islice(self._questions(), self._limit)

    def _questions(self) -> Iterator[Question]:
        names = [_SHARD.sub("", subject_of(reader.table.stem)) for reader in self._readers]
        apart, prefixes = len(set(names)) > 1, self._prefixes
        self._begun = []
        for reader, name, prefix in zip(self._readers, names, prefixes, strict=True):
            self._begun.append(reader)
            for question in reader:
                if apart and question.subject is None:
                    question = replace(question, subject=name)
                if prefix:
                    state = question.state_id and f"{prefix}:{question.state_id}"
                    question = replace(question, id=f"{prefix}:{question.id}", state_id=state)
                yield question

    @functools.cached_property
    def _prefixes(self) -> list[str]:
        """What stands before the ids of each source, nothing where no two share one."""
        ids = Counter(question.id for reader in self._readers for question in reader)
        if max(ids.values(), default=1) == 1:
            return [""] * len(self._readers)
        stems = [reader.table.stem for reader in self._readers]
        if len(set(stems)) < len(stems):
            return [reader.name for reader in self._readers]
        return stems
