"""The runs that a server answers with: who they are, and what their numbers mean."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from mcqa.errors import ConfigError, RequestError
from mcqa.formulations import get_formulation
from mcqa.kinds import KINDS
from mcqa.prediction import Prediction
from mcqa.runs.trained import tensors_checksum
from mcqa.scoring.scorer import Scorer

CONFIDENCE = (
    "the probability of the answer that is given, between 0 and 1; of 'several' that of the option "
    "that is least certain to be in or out"
)


@dataclass(frozen=True)
class Hosted:
    """Hold a model that a server answers with.

    Args:
        name: what requests call it.
        scorer: what computes its answers.
        checksum: sha256 of all its weights.
        released: when it was made.
    """

    name: str
    scorer: Scorer
    checksum: str
    released: date

    @property
    def description(self) -> str:
        """One line for people."""
        scorer = self.scorer
        return f"{scorer.formulation}, scorer {scorer.name}, template {scorer.template}"

    def about(self, predictions: Sequence[Prediction]) -> dict:
        """Return what goes with answers: which weights gave them, and what confidence means."""
        kinds = sorted({prediction.kind for prediction in predictions})
        return {
            "run": self.name,
            "checksum": f"sha256:{self.checksum}",
            "scorer": self.scorer.name,
            "template": self.scorer.template,
            "confidence": CONFIDENCE,
            "temperature": {kind: self.scorer.temperature_of(kind) for kind in kinds},
            "truncated_tokens": sum(prediction.truncated for prediction in predictions),
        }


def host(name: str, scorer: Scorer, path: str | None = None) -> Hosted:
    """Return a scorer as a server's model; ConfigError where it gives no probabilities.

    Args:
        path: its run folder, which tells when it was made; by default that is today.
    """
    if get_formulation(scorer.formulation).WRITES[scorer.name]:
        raise ConfigError(
            f"{name}: scorer {scorer.name!r} writes an answer and gives no probabilities to serve. "
            "Use another --scorer."
        )
    folder = Path(path or "")
    when = date.fromtimestamp(folder.stat().st_mtime) if path and folder.exists() else date.today()
    return Hosted(name, scorer, tensors_checksum(scorer.model.state_dict()), when)


def choose(hosted: Sequence[Hosted], name: str | None) -> Hosted:
    """Return the model that a request names, by its whole name or its last part; else RequestError.

    A request may leave out the name where there is one model only.
    """
    known = ", ".join(repr(one.name) for one in hosted)
    if name is None and len(hosted) == 1:
        return hosted[0]
    if name is None:
        raise RequestError(f"'model' is missing; it is one of {known}.", where=("model",))
    found = [one for one in hosted if one.name == name]
    found = found or [one for one in hosted if Path(one.name).name == name]
    if len(found) == 1:
        return found[0]
    fault = "means several models" if found else "is not served"
    raise RequestError(
        f"model {name!r} {fault}; there are {known}.",
        status=404,
        code="model_not_found",
        where=("model",),
    )


def confidence(prediction: Prediction) -> float:
    """Return how sure an answer is, see `CONFIDENCE`."""
    if KINDS[prediction.kind].several:
        return min(max(p, 1 - p) for p in prediction.probabilities)
    return prediction.probabilities[prediction.choice]
