"""The questions of a run, and the record of which they were."""

from dataclasses import dataclass

from mcqa.data import data_fingerprint, load_questions
from mcqa.errors import DataError
from mcqa.question import Question
from mcqa.training.config import TrainingConfig


@dataclass(frozen=True)
class DataRecord:
    """Say which questions were used, so that a run can be checked against its data."""

    source: str
    split: str | None
    n: int
    sha256: str


def load_training(config: TrainingConfig) -> tuple[list[Question], DataRecord]:
    """Load the training questions.

    Raises:
        DataError: one of them has no label.
    """
    split = config.split or ("train" if config.data == "bundled" else None)
    return _load(config, config.data, split, config.limit)


def load_validation(config: TrainingConfig) -> tuple[list[Question], DataRecord | None]:
    """Load the validation questions, none where neither their file nor their split is given.

    Raises:
        DataError: one of them has no label.
    """
    if config.validation_data is None and config.validation_split is None:
        return [], None
    source = config.validation_data or config.data
    return _load(config, source, config.validation_split, config.validation_limit)


def _load(
    config: TrainingConfig, source: str, split: str | None, limit: int | None
) -> tuple[list[Question], DataRecord]:
    questions = load_questions(
        source, split=split, limit=limit, format=config.data_format, label_base=config.label_base
    )
    unlabelled = next((q.id for q in questions if q.label is None), None)
    if unlabelled is not None:
        raise DataError(f"{source}: question {unlabelled!r} has no label; training needs one.")
    return questions, DataRecord(source, split, len(questions), data_fingerprint(source, split))
