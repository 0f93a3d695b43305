"""The trained model on its validation questions: accuracy, and what its scores are calibrated by.

The trap: the model was chosen by these questions, so that its accuracy on them is a little too
good. One temperature is a single number and overfits far less.
"""

from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

from mcqa.errors import ConfigError
from mcqa.evaluation.calibrating import calibrate
from mcqa.evaluation.metrics import wilson_interval
from mcqa.prediction import write_predictions
from mcqa.prompting.encoded_sets import EncodedSet
from mcqa.runs.trained import VALIDATION_FILE
from mcqa.scoring.scorer import Scorer
from mcqa.system import processes
from mcqa.training.progress import ShowProgress


def validate(
    scorer: Scorer,
    questions: EncodedSet | None,
    folder: Path,
    batch_size: int,
    announce: Callable[[str], None],
    progress: ShowProgress,
) -> dict:
    """Score the validation questions, write the predictions, and fit temperature and threshold.

    Returns `validation_accuracy` (`value`, `n`, `ci95`) and `calibration` (`scorer`, `temperature`,
    `n`, `at_bound`, and where the kind has one `threshold`), each None where it is not known. Where
    there are other questions than plain choices, each holds that by kind.
    """
    if not questions:
        return {"validation_accuracy": None, "calibration": None}
    n = len(questions.asked)
    announce(
        f"Scoring the {n:,} validation questions once more ({scorer.name}), "
        "for the accuracy and the temperature of the run"
    )
    scorer.model.eval()
    with progress(n, "validation") as on_progress:
        predictions = scorer.score_encoded(questions, batch_size, on_progress)
    if processes.is_main():
        write_predictions(folder / VALIDATION_FILE, predictions)
    groups = defaultdict(list)
    for prediction in predictions:
        groups[prediction.kind].append(prediction)
    accuracy, calibration = {}, {}
    for kind, group in groups.items():
        if n_labelled := sum(prediction.label is not None for prediction in group):
            right = sum(prediction.correct for prediction in group)
            interval = wilson_interval(right, n_labelled)
            accuracy[kind] = {"value": right / n_labelled, "n": n_labelled, "ci95": interval}
        try:
            calibration[kind] = {"scorer": scorer.name, **calibrate(group)}
        except ConfigError as error:  # training went astray; what it came to is saved all the same
            announce(f"No temperature: {error}")
    found = {"validation_accuracy": accuracy, "calibration": calibration}
    if groups.keys() == {"choice"}:
        found = {name: of_kinds.get("choice") for name, of_kinds in found.items()}
    return {name: value or None for name, value in found.items()}
