"""The questions of a run, and the record of which they were."""

import functools
import itertools
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from mcqa.data import BUNDLED, data_commit, data_fingerprint, is_file, open_questions
from mcqa.data.digests import digest_questions
from mcqa.data.mapping import parse_fields
from mcqa.data.reader import Account, Rejected
from mcqa.data.stored import StoredQuestions
from mcqa.errors import ConfigError
from mcqa.question import Question
from mcqa.training.config import TrainingConfig
from mcqa.training.mixture import draw, parse_sources, short_names, with_unique_ids


@dataclass(frozen=True)
class DataRecord:
    """Say which questions were used, so that a run can be checked against its data.

    Args:
        source, split: as the user named them.
        n: how many questions there were.
        sha256: fingerprint of the source.
        commit: of a Hub data set.
        rejected, skipped: how many rows were left out, because they cannot be read or have not
            exactly one right answer.
    """

    source: str
    split: str | None
    n: int
    sha256: str
    commit: str | None
    rejected: int
    skipped: int


@dataclass(frozen=True)
class TrainingData:
    """Hold questions, their record, and the account of the rows that are no questions."""

    questions: Sequence[Question]
    record: DataRecord | None
    account: Account

    def remarks(self) -> list[str]:
        """Return what became of the other rows, in lines for the user."""
        return [f"{self.record.source}: {remark}" for remark in self.account.remarks()]


def reading_settings(config: TrainingConfig) -> dict:
    """Return how rows are read, settings of `mcqa.data.open_questions`."""
    return {
        "format": config.data_format,
        "label_base": config.label_base,
        "fields": parse_fields(config.field),
        "skip_invalid": config.skip_invalid,
    }


@dataclass(frozen=True)
class Mixture:
    """Hold the sets that a run trains on.

    Args:
        sets: each with all its questions.
        weights: how often an epoch goes through each of them.
        names: what to call them, all different.
        parts: of each set the questions of one epoch, as often as they come.
    """

    sets: Sequence[TrainingData]
    weights: Sequence[float]
    names: Sequence[str]
    parts: Sequence[Sequence[Question]]

    @functools.cached_property
    def questions(self) -> Sequence[Question]:
        """The questions of one epoch, set after set."""
        if len(self.parts) == 1:
            return self.parts[0]
        return StoredQuestions(itertools.chain(*self.parts))

    @property
    def rejected(self) -> list[Rejected]:
        """The rows of all sets that cannot be read."""
        return [row for one in self.sets for row in one.account.rejected]

    def remarks(self) -> list[str]:
        """Return what became of the other rows, in lines for the user."""
        return [remark for one in self.sets for remark in one.remarks()]

    def record(self) -> dict:
        """Return what `run.json` says: `n` questions, `used` in an epoch, and that of each set."""
        rows = zip(self.sets, self.weights, self.parts, strict=True)
        sets = [asdict(s.record) | {"weight": w, "used": len(part)} for s, w, part in rows]
        totals = {key: sum(one[key] for one in sets) for key in ("n", "used")}
        return {**totals, "sets": sets}

    def work(self) -> dict[str, str]:
        """Return what of the sets decides the result, by names to tell a change by."""
        said = [
            f"{digest_questions(one.questions)}, weight {weight:g}"
            for one, weight in zip(self.sets, self.weights, strict=True)
        ]
        if len(said) == 1:
            return {"training questions": said[0]}
        return {f"training questions, set {i}": text for i, text in enumerate(said, 1)}

    def described(self) -> str:
        """Return how many questions an epoch has, and what is read of what."""
        total = f"{sum(map(len, self.parts)):,} questions"
        if set(self.weights) == {1} and len(self.sets) == 1:
            return total
        rows = zip(self.names, self.sets, self.weights, self.parts, strict=True)
        told = [f"{len(p):,} of {n} ({len(s.questions):,} x {w:g})" for n, s, w, p in rows]
        return f"{total} an epoch: {', '.join(told)}"


def load_training(config: TrainingConfig) -> Mixture:
    """Load the training questions.

    Raises:
        ConfigError: a weight leaves nothing of its set.
        DataError: a row cannot be read, or has not exactly one right answer.
    """
    names, weights = zip(*parse_sources(config.data), strict=True)
    sets = [_load(config, name, _split(config, name, names), config.limit) for name in names]
    short = short_names(names)
    unique = with_unique_ids([one.questions for one in sets], short)
    parts = [draw(one, weight, config.seed) for one, weight in zip(unique, weights, strict=True)]
    for name, weight, questions, part in zip(names, weights, unique, parts, strict=True):
        if not part:
            raise ConfigError(
                f"data {name}={weight:g}: nothing is left of its {len(questions):,} questions. "
                "Give it a larger weight, or leave it out."
            )
    return Mixture(sets, weights, short, parts)


def _split(config: TrainingConfig, source: str, sources: Sequence[str]) -> str | None:
    """Return a set's split: the given one is for those sets that have splits."""
    if source == BUNDLED:
        return config.split or "train"
    beside = any(not is_file(other) for other in sources)
    return None if beside and is_file(source) else config.split


def load_validation(config: TrainingConfig) -> TrainingData:
    """Load the validation questions, none where neither their file nor their split is given.

    Raises:
        DataError: a row cannot be read, or has not exactly one right answer.
    """
    if config.validation_data is None and config.validation_split is None:
        return TrainingData([], None, Account())
    source = config.validation_data or parse_sources(config.data)[0].name
    return _load(config, source, config.validation_split, config.validation_limit)


def _load(
    config: TrainingConfig, source: str, split: str | None, limit: int | None
) -> TrainingData:
    settings = reading_settings(config)
    if source == BUNDLED and len(config.data) > 1:  # beside others it is read as it is
        settings = {"skip_invalid": config.skip_invalid}
    settings |= {"unlabelled": config.unlabelled}
    reader = open_questions(source, split=split, limit=limit, **settings)
    questions, sha256 = reader.store(), data_fingerprint(source, split)
    commit = data_commit(source, split)
    record = DataRecord(source, split, len(questions), sha256, commit, **reader.account.counts())
    return TrainingData(questions, record, reader.account)
