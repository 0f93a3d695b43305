"""What a temperature does to a run: fitted on validation questions, told of the evaluated ones."""

from mcqa.evaluating.folder import Evaluation
from mcqa.evaluation.answers import Answers
from mcqa.evaluation.fitting import describe_calibration, fit_temperature


def describe_temperature(evaluation: Evaluation) -> dict:
    """Return the `calibration` of a run's `metrics.json`.

    Returns:
        `temperature`, None where none can be fitted, and `note`: on which questions it was
        fitted, or why there is none. With a temperature also `fitted` (`n`, `at_bound`) and what
        `describe_calibration` returns of the evaluated questions.
    """
    validation = evaluation.validation
    if not validation.predictions:
        return {"temperature": None, "note": validation.note}
    fitted = fit_temperature(Answers.of(validation.predictions))
    temperature = fitted.pop("temperature")
    described = describe_calibration(Answers.of(evaluation.predictions), temperature)
    return {"temperature": temperature, "note": validation.note, "fitted": fitted, **described}
