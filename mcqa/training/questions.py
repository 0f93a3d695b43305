"""The questions of a run, and the record of which they were."""

from collections.abc import Sequence
from dataclasses import dataclass

from mcqa.data import data_fingerprint, open_questions
from mcqa.data.mapping import parse_fields
from mcqa.data.reader import Account
from mcqa.question import Question
from mcqa.training.config import TrainingConfig


@dataclass(frozen=True)
class DataRecord:
    """Say which questions were used, so that a run can be checked against its data.

    Args:
        source, split: as the user named them.
        n: how many questions were used.
        sha256: fingerprint of the source.
        rejected, skipped: how many rows were left out, because they cannot be read or have not
            exactly one right answer.
    """

    source: str
    split: str | None
    n: int
    sha256: str
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


def load_training(config: TrainingConfig) -> TrainingData:
    """Load the training questions.

    Raises:
        DataError: a row cannot be read, or has not exactly one right answer.
    """
    split = config.split or ("train" if config.data == "bundled" else None)
    return _load(config, config.data, split, config.limit)


def load_validation(config: TrainingConfig) -> TrainingData:
    """Load the validation questions, none where neither their file nor their split is given.

    Raises:
        DataError: a row cannot be read, or has not exactly one right answer.
    """
    if config.validation_data is None and config.validation_split is None:
        return TrainingData([], None, Account())
    source = config.validation_data or config.data
    return _load(config, source, config.validation_split, config.validation_limit)


def _load(
    config: TrainingConfig, source: str, split: str | None, limit: int | None
) -> TrainingData:
    settings = reading_settings(config) | {"unlabelled": config.unlabelled}
    reader = open_questions(source, split=split, limit=limit, **settings)
    questions, sha256 = reader.store(), data_fingerprint(source, split)
    record = DataRecord(source, split, len(questions), sha256, **reader.account.counts())
    return TrainingData(questions, record, reader.account)
