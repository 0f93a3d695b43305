"""A scorer's answer to one question, and the JSON lines file that holds many."""

import json
import math
import os
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import NamedTuple

from mcqa.errors import ConfigError, DataError
from mcqa.question import Question
from mcqa.system.files import write_whole

# What `Prediction.parsed` says of a text that names no option, or several.
UNPARSED, AMBIGUOUS = "unparsed", "ambiguous"


class Retrieved(NamedTuple):
    """Name a passage that a question got as context, and how well it matched."""

    id: str
    score: float


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """Hold the scores of one question's options and the option they choose.

    Args:
        id: the question's id.
        label: 0-based index of the right option, or None.
        choice: 0-based index of the predicted option; None where generated text names none, which
            counts as wrong, and is counted apart as unparsed.
        scores, probabilities: one real number per option, higher is better, and these normalised
            by softmax; None for free generation.
        unit: what a score measures, `nats` or `logit`; None where there are no scores.
        scorer: the scorer's name.
        tokens: how many tokens the model computed for this question.
        truncated: how many tokens of the question were cut to make it fit.
        text, parsed: what was generated, and how it was read (`letter`, `text`, ... `unparsed`).
        retrieved: the passages that were its context, best first; None where none were looked for.
    """

    id: str
    label: int | None
    choice: int | None
    scores: tuple[float, ...] | None
    probabilities: tuple[float, ...] | None
    unit: str | None
    scorer: str
    tokens: int
    truncated: int = 0
    text: str | None = None
    parsed: str | None = None
    retrieved: tuple[Retrieved, ...] | None = None

    @classmethod
    def scored(
        cls, question: Question, scores: Sequence[float], *, unit: str, scorer: str, tokens: int
    ) -> "Prediction":
        """Return the prediction of the highest score; the first of several equal ones.

        >>> question = Question(stem="2 + 2 = ?", options=("3", "4"), label=1, id="sum")
        >>> result = Prediction.scored(question, [0.0, 1.0], unit="logit", scorer="head", tokens=9)
        >>> result.choice, [round(p, 3) for p in result.probabilities]
        (1, [0.269, 0.731])
        """
        return cls(
            id=question.id,
            label=question.label,
            choice=scores.index(max(scores)),
            scores=tuple(scores),
            probabilities=_softmax(scores),
            unit=unit,
            scorer=scorer,
            tokens=tokens,
        )

    @property
    def correct(self) -> bool:
        """Whether the choice is the label; an unparsed or unlabelled one is not."""
        return self.choice is not None and self.choice == self.label

    def calibrated(self, temperature: float) -> "Prediction":
        """Return the same prediction, its probabilities those of the scores over a temperature.

        That is above 0, and fitted on other questions: see `Scorer.temperature`.
        """
        if not temperature > 0:
            raise ConfigError(f"temperature is {temperature}; it must be above 0.")
        cooled = self.scores and _softmax([score / temperature for score in self.scores])
        return replace(self, probabilities=cooled)

    def to_json(self) -> str:
        """Return one line of `predictions.jsonl`."""
        return json.dumps(self.to_row(), ensure_ascii=False)

    def to_row(self) -> dict:
        """Return the prediction as JSON holds it, without what only some scorings fill."""
        row = asdict(self)
        if self.text is None:
            del row["text"], row["parsed"]
        if self.retrieved is None:
            del row["retrieved"]
        else:
            row["retrieved"] = [passage._asdict() for passage in self.retrieved]
        return row

    @classmethod
    def from_row(cls, row: dict) -> "Prediction":
        """Return the prediction that `to_row` made a row of; else TypeError or KeyError."""
        pairs = {name: row[name] and tuple(row[name]) for name in ("scores", "probabilities")}
        if row.get("retrieved") is not None:
            pairs["retrieved"] = tuple(Retrieved(**passage) for passage in row["retrieved"])
        return cls(**row | pairs)


def _softmax(scores: Sequence[float]) -> tuple[float, ...]:
    best = max(scores)
    weights = [math.exp(score - best) for score in scores]
    return tuple(weight / sum(weights) for weight in weights)


def write_predictions(path: str | os.PathLike, predictions: Iterable[Prediction]) -> Path:
    """Write predictions as JSON lines, all or nothing, and return the path."""
    return write_whole(path, "".join(prediction.to_json() + "\n" for prediction in predictions))


def read_predictions(path: str | os.PathLike) -> list[Prediction]:
    """Read a `predictions.jsonl` file; DataError where it is missing, or a line is none of it."""
    path = Path(path)
    try:
        # Not splitlines(): a generated text may hold U+2028 or U+0085, which JSON leaves as is.
        with path.open(encoding="utf-8") as file:
            lines = list(file)
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read as predictions ({error}).") from error
    return [_parse(line, f"{path}, line {number}") for number, line in enumerate(lines, 1)]


def _parse(line: str, where: str) -> Prediction:
    try:
        prediction = Prediction.from_row(json.loads(line))
        _check_kinds(prediction)
        return prediction
    except (ValueError, TypeError, KeyError) as error:
        reason = f"it lacks {error}" if isinstance(error, KeyError) else error
        raise DataError(
            f"{where}: not a line of a predictions file ({reason}); "
            "such a file is written by `mcqa score`."
        ) from error


def _check_kinds(prediction: Prediction) -> None:
    """Refuse fields of another kind with a TypeError; `Answers` sees to what is out of range."""
    if not isinstance(prediction.id, str):
        raise TypeError(f"id is {prediction.id!r}, not a text")
    for name in ("label", "choice"):
        value = getattr(prediction, name)
        if value is not None and type(value) is not int:
            raise TypeError(f"{name} is {value!r}, not an index or null")
    for name in ("scores", "probabilities"):
        values = getattr(prediction, name) or ()
        if not all(type(value) in (int, float) for value in values):
            raise TypeError(f"{name} are {list(values)}, not numbers")
    for passage in prediction.retrieved or ():
        if not isinstance(passage.id, str) or type(passage.score) not in (int, float):
            raise TypeError(f"retrieved has {list(passage)}, not an id and a score")
