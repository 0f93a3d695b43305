"""The trained model on its validation questions: accuracy, and the temperature for its scores.

The trap: the model was chosen by these questions, so that its accuracy on them is a little too
good. One temperature is a single number and overfits far less.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

from mcqa.errors import ConfigError
from mcqa.evaluation.answers import Answers
from mcqa.evaluation.fitting import fit_temperature
from mcqa.evaluation.metrics import summarize
from mcqa.prediction import write_predictions
from mcqa.prompting.encoding import EncodedQuestion
from mcqa.runs.trained import VALIDATION_FILE
from mcqa.scoring.scorer import Scorer
from mcqa.system import processes
from mcqa.training.progress import ShowProgress


def validate(
    scorer: Scorer,
    questions: Sequence[EncodedQuestion],
    folder: Path,
    batch_size: int,
    announce: Callable[[str], None],
    progress: ShowProgress,
) -> dict:
    """Score the validation questions, write the predictions, and fit the temperature.

    Returns `validation_accuracy` (`value`, `n`, `ci95`) and `calibration` (`scorer`, `temperature`,
    `n`, `at_bound`), each None where it is not known.
    """
    if not questions:
        return {"validation_accuracy": None, "calibration": None}
    announce(
        f"Scoring the {len(questions):,} validation questions once more ({scorer.name}), "
        "for the accuracy and the temperature of the run"
    )
    scorer.model.eval()
    with progress(len(questions), "validation") as on_progress:
        predictions = scorer.score_encoded(questions, batch_size, on_progress)
    if processes.is_main():
        write_predictions(folder / VALIDATION_FILE, predictions)
    summary = summarize(predictions)
    accuracy = {"value": summary["accuracy"], "n": summary["n"], "ci95": summary["accuracy_ci95"]}
    calibration = None
    try:
        calibration = {"scorer": scorer.name, **fit_temperature(Answers.of(predictions))}
    except ConfigError as error:  # training went astray; what it came to is saved all the same
        announce(f"No temperature: {error}")
    return {"validation_accuracy": accuracy, "calibration": calibration}
