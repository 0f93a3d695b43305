"""Validation questions, given or of a run's training, to fit temperatures and combinations on.

The trap: fitted on the questions that are reported, every number looks better than it is. Given
questions must therefore be others, and a run's own are passed over where they are evaluated.
"""

from collections.abc import Sequence
from pathlib import Path

from mcqa.data import load_questions
from mcqa.data.same import row_keys, same_answers
from mcqa.errors import ConfigError, DataError
from mcqa.evaluating.folder import Validation
from mcqa.prediction import Prediction, read_predictions
from mcqa.question import Question
from mcqa.runs.questions_seen import read_seen
from mcqa.runs.trained import VALIDATION_FILE
from mcqa.scoring.scorer import Scorer

REMEDY = "Give --validation-data, with questions that are not evaluated."
UNKNOWN = (
    "No temperature is known: the model was trained without validation questions, or not at all, "
    f"or is not scored as it was then. {REMEDY}"
)
EVALUATED = (
    "No temperature is known: the validation questions of its training are among those that are "
    f"evaluated here. {REMEDY}"
)
UNSCORED = "Generated answers have no scores, and without scores there is nothing to calibrate."


def load_validation(source: str, questions: Sequence[Question], **reading) -> list[Question]:
    """Load validation questions, as `mcqa.load_questions` does, that are not evaluated.

    Raises:
        ConfigError: a question is evaluated too.
        DataError: they cannot be read, or one has no label.
    """
    loaded = load_questions(source, **reading)
    for question in loaded:
        if question.label is None:
            raise DataError(
                f"{source}: question {question.id!r} has no label, and validation needs one."
            )
    evaluated = {key for question in questions for key in row_keys(question)}
    shared = [question.id for question in loaded if not evaluated.isdisjoint(row_keys(question))]
    if shared:
        raise ConfigError(
            f"validation questions: {len(shared):,} of {len(loaded):,} are evaluated too, "
            f"{shared[0]!r} among them. What is fitted on the questions it is reported for looks "
            "better than it is; give others."
        )
    return loaded


def own_validation(
    model: str, scorer: Scorer, questions: Sequence[Question], answered: Sequence[Prediction]
) -> Validation:
    """Return what a run answered to its training's validation questions, if none is evaluated.

    Whether one is, is told by the texts; of runs that kept no digests, by what was `answered`.
    """
    path = Path(model) / VALIDATION_FILE
    if scorer.calibration is None or not path.is_file():
        return Validation([], UNKNOWN)
    predictions, seen = read_predictions(path), read_seen(Path(model))
    evaluated = any(seen["validated"].find(questions).values()) if seen else False
    if evaluated or (seen is None and same_answers(predictions, answered)):
        return Validation([], EVALUATED)
    return Validation(predictions, f"the {len(predictions):,} validation questions of its training")
