"""A scorer's answer to one question, and the JSON lines file that holds many."""

import json
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import NamedTuple

from mcqa.errors import ConfigError, DataError
from mcqa.kinds import KINDS, Label, expected_level, median_level
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
        label: as the question's: an index, the indices of `several`, or None.
        choice: the predicted option's index, or those of `several`; None where nothing was parsed.
        scores: one real number per option, higher is better; None for free generation.
        probabilities: what the scores come to, see `mcqa.kinds`: they sum to 1, but for `several`,
            where each option has its own; None for free generation.
        unit: what a score measures, `nats` or `logit`; None where there are no scores.
        scorer: the scorer's name.
        tokens: how many tokens the model computed for this question.
        truncated: how many tokens of the question were cut to make it fit.
        text, parsed: what was generated, and how it was read (`letter`, `text`, ... `unparsed`).
        retrieved: the passages that were its context, best first; None where none were looked for.
        kind: the question's.
        targets: the question's, None where it has none.
    """

    id: str
    label: Label
    choice: Label
    scores: tuple[float, ...] | None
    probabilities: tuple[float, ...] | None
    unit: str | None
    scorer: str
    tokens: int
    truncated: int = 0
    text: str | None = None
    parsed: str | None = None
    retrieved: tuple[Retrieved, ...] | None = None
    kind: str = "choice"
    targets: tuple[float, ...] | None = None

    @classmethod
    def scored(
        cls,
        question: Question,
        scores: Sequence[float],
        *,
        unit: str,
        scorer: str,
        tokens: int,
        threshold: float = 0.5,
    ) -> "Prediction":
        """Return the prediction of the highest score; the first of several equal ones.

        Args:
            question: what was answered.
            scores: one finite number per option.
            unit, scorer, tokens: as in the class.
            threshold: for `several`, see `mcqa.kinds.Kind.choose`.

        >>> question = Question(stem="2 + 2 = ?", options=("3", "4"), label=1, id="sum")
        >>> result = Prediction.scored(question, [0.0, 1.0], unit="logit", scorer="head", tokens=9)
        >>> result.choice, [round(p, 3) for p in result.probabilities]
        (1, [0.269, 0.731])
        """
        kind = KINDS[question.kind]
        return cls(
            id=question.id,
            label=question.label,
            choice=kind.choose(scores, threshold),
            scores=tuple(scores),
            probabilities=kind.probabilities(scores),
            unit=unit,
            scorer=scorer,
            tokens=tokens,
            kind=question.kind,
            targets=question.targets,
        )

    @property
    def correct(self) -> bool:
        """Whether the choice is the label, of `several` all of it; an unparsed one is not."""
        return self.choice is not None and self.choice == self.label

    @property
    def expected(self) -> float | None:
        """The mean level of a scale by its probabilities, from 0; None without them, or a scale."""
        return self._of_scale(expected_level)

    @property
    def median(self) -> int | None:
        """The level of a scale at which half of the probability is reached; likewise."""
        return self._of_scale(median_level)

    def _of_scale(self, level: Callable[[Sequence[float]], float]) -> float | None:
        ordered = KINDS[self.kind].ordered
        return level(self.probabilities) if ordered and self.probabilities else None

    def calibrated(self, temperature: float) -> "Prediction":
        """Return the same prediction, its probabilities those of the scores over a temperature.

        That is above 0, and fitted on other questions: see `Scorer.temperature`.
        """
        if not temperature > 0:
            raise ConfigError(f"temperature is {temperature}; it must be above 0.")
        if self.scores is None:
            return self
        probabilities = KINDS[self.kind].probabilities(self.scores, temperature)
        return replace(self, probabilities=probabilities)

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
        if self.kind == "choice":
            del row["kind"]
        if self.targets is None:
            del row["targets"]
        if self.expected is not None:
            row |= {"expected": self.expected, "median": self.median}
        return row

    @classmethod
    def from_row(cls, row: dict) -> "Prediction":
        """Return the prediction that `to_row` made a row of.

        Raises:
            TypeError, KeyError: it is no such row.
        """
        if not isinstance(row, dict):
            raise TypeError(f"it is {row!r}")
        read = {name: _tupled(value) for name, value in row.items()}
        if row.get("retrieved") is not None:
            read["retrieved"] = tuple(Retrieved(**passage) for passage in row["retrieved"])
        for derived in ("expected", "median"):
            read.pop(derived, None)
        for needed in ("scores", "probabilities"):
            if needed not in row:
                raise KeyError(needed)
        return cls(**read)


def _tupled(value):
    return tuple(value) if isinstance(value, list) else value


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
    if prediction.kind not in KINDS:
        raise TypeError(f"kind is {prediction.kind!r}, not {', '.join(KINDS)}")
    several = KINDS[prediction.kind].several
    for name in ("label", "choice"):
        value = getattr(prediction, name)
        indices = value if several and isinstance(value, tuple) else [value]
        if value is not None and not all(type(index) is int for index in indices):
            wanted = "a list of indices" if several else "an index"
            raise TypeError(f"{name} is {value!r}, not {wanted} or null")
    for name in ("scores", "probabilities", "targets"):
        values = getattr(prediction, name) or ()
        if not all(type(value) in (int, float) for value in values):
            raise TypeError(f"{name} are {list(values)}, not numbers")
    for passage in prediction.retrieved or ():
        if not isinstance(passage.id, str) or type(passage.score) not in (int, float):
            raise TypeError(f"retrieved has {list(passage)}, not an id and a score")
