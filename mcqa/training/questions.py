"""The questions of a run, and the record of which they were."""

import functools
import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from mcqa.data import data_commit, data_fingerprint, is_bundled, is_file, open_questions
from mcqa.data.digests import digest_questions
from mcqa.data.reader import Account
from mcqa.data.stored import StoredQuestions
from mcqa.errors import ConfigError
from mcqa.question import Question
from mcqa.training.mixture import draw, parse_sources, short_names, with_unique_ids


@dataclass(frozen=True)
class QuestionSet:
    """Hold the questions of a source, by default none, and what became of its other rows.

    `record` says which they were, so that a run can be checked against its data. Of a training set
    an epoch goes through `part`, which is all questions `weight` times; messages call it `name`.
    """

    questions: Sequence[Question] = ()
    record: dict | None = None
    account: Account = field(default_factory=Account)
    name: str = ""
    weight: float = 1.0
    part: Sequence[Question] = ()

    def remarks(self) -> list[str]:
        """Return what became of the other rows, in lines for the user."""
        return [f"{self.record['source']}: {remark}" for remark in self.account.remarks()]


@dataclass(frozen=True)
class Mixture:
    """Hold the sets that a run trains on."""

    sets: Sequence[QuestionSet]

    @functools.cached_property
    def questions(self) -> Sequence[Question]:
        """The questions of one epoch, set after set."""
        if len(self.sets) == 1:
            return self.sets[0].part
        return StoredQuestions(itertools.chain(*(one.part for one in self.sets)))

    def record(self) -> dict:
        """Return what `run.json` says: `n` questions, `used` in an epoch, and that of each set."""
        sets = [one.record | {"weight": one.weight, "used": len(one.part)} for one in self.sets]
        return {key: sum(one[key] for one in sets) for key in ("n", "used")} | {"sets": sets}

    def work(self) -> dict[str, str]:
        """Return what of the sets decides the result, by names in which a change is reported."""
        said = [f"{digest_questions(one.questions)}, weight {one.weight:g}" for one in self.sets]
        if len(said) == 1:
            return {"training questions": said[0]}
        return {f"training questions, set {i}": text for i, text in enumerate(said, 1)}

    def described(self) -> str:
        """Return how many questions an epoch has, and what is read of what."""
        total = f"{sum(len(one.part) for one in self.sets):,} questions"
        if len(self.sets) == 1 and self.sets[0].weight == 1:
            return total
        parts = ", ".join(
            f"{len(one.part):,} of {one.name} ({len(one.questions):,} x {one.weight:g})"
            for one in self.sets
        )
        return f"{total} an epoch: {parts}"


def load_training(
    data: Sequence[str], split: str | None = None, limit: int | None = None, seed=0, **reading
) -> Mixture:
    """Load the training questions of sets, each `SOURCE` or `SOURCE=WEIGHT`.

    Args:
        split, limit: of the sets that have splits, and of each set.
        seed: of the share that a weight leaves.
        reading: how rows are read, see `mcqa.data.open_questions`.

    Raises:
        ConfigError: a weight leaves nothing of its set.
        DataError: a row cannot be read, or has not exactly one right answer.
    """
    names, weights = zip(*parse_sources(data), strict=True)
    read = [_load(name, _split(split, name, names), limit, names, reading) for name in names]
    short = short_names(names)
    unique = with_unique_ids([one.questions for one in read], short)
    sets = []
    for one, name, weight, questions in zip(read, short, weights, unique, strict=True):
        part = draw(questions, weight, seed)
        if not part:
            raise ConfigError(
                f"data {one.record['source']}={weight:g}: nothing is left of its "
                f"{len(questions):,} questions. Give it a larger weight, or leave it out."
            )
        sets.append(replace(one, name=name, weight=weight, part=part))
    return Mixture(sets)


def _split(split: str | None, source: str, sources: Sequence[str]) -> str | None:
    """Return a set's split: the given one is for those sets that have splits."""
    if is_bundled(source):
        return split or "train"
    beside = any(not is_file(other) for other in sources)
    return None if beside and is_file(source) else split


def load_validation(
    source: str | None, split: str | None, limit: int | None, data: Sequence[str], **reading
) -> QuestionSet:
    """Load the validation questions, none where neither their source nor their split is given.

    By default they are another split of the first of the training data; see `load_training`.
    """
    if source is None and split is None:
        return QuestionSet()
    names = [name for name, _ in parse_sources(data)]
    return _load(source or names[0], split, limit, names, reading)


def _load(
    source: str, split: str | None, limit: int | None, beside: Sequence[str], reading: dict
) -> QuestionSet:
    if is_bundled(source) and len(beside) > 1:  # beside others it is read as it is
        kept = {"skip_invalid", "unlabelled"}
        reading = {name: value for name, value in reading.items() if name in kept}
    reader = open_questions(source, split=split, limit=limit, **reading)
    questions = reader.store()
    record = {
        "source": source,
        "split": split,
        "n": len(questions),
        "sha256": data_fingerprint(source, split),
        "commit": data_commit(source, split),
        **reader.account.counts(),
    }
    return QuestionSet(questions, record, reader.account)
