"""A teacher's probabilities beside questions, for another model to learn in place of labels.

The trap: a model is usually surer than it is right, and who learns from it learns that too. So the
probabilities are those of the scores over the teacher's temperature, where one is known.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from mcqa.data.digests import question_row
from mcqa.errors import ConfigError
from mcqa.formulations import get_formulation
from mcqa.prediction import Prediction
from mcqa.question import Question
from mcqa.scoring.partial import partial_path
from mcqa.scoring.scorer import Scorer
from mcqa.scoring.scoring_run import score
from mcqa.system.files import require_file, write_rows


def distill(
    teacher: Scorer, questions: Sequence[Question], output: Path, **how
) -> tuple[list[Prediction], float]:
    """Write questions with a teacher's probabilities as targets, going on where it was stopped.

    Args:
        teacher: a scorer that gives scores.
        output: the file to write, see `with_targets`.
        how: as for `mcqa.scoring.scoring_run.score`, which says what is returned.

    Raises:
        ConfigError: the teacher writes answers and gives no scores.
    """
    if get_formulation(teacher.formulation).WRITES[teacher.name]:
        raise ConfigError(
            f"scorer {teacher.name!r} writes an answer and gives no probabilities to learn from."
        )

    def write(path: Path, predictions: Sequence[Prediction]) -> Path:
        return write_rows(path, with_targets(questions, map(teacher.calibrated, predictions)))

    return score(teacher, questions, output, write=write, **how)


def with_targets(
    questions: Iterable[Question], predictions: Iterable[Prediction]
) -> Iterator[dict]:
    """Yield each question as a row of the generic format, with its prediction's probabilities.

    >>> question = Question(stem="2 + 2 = ?", options=("3", "4"), label=1, id="sum")
    >>> made = Prediction.scored(question, [0.0, 0.0], unit="logit", scorer="head", tokens=9)
    >>> next(with_targets([question], [made]))["targets"]
    (0.5, 0.5)
    """
    for question, prediction in zip(questions, predictions, strict=True):
        row = question_row(replace(question, targets=prediction.probabilities))
        yield {name: v for name, v in row.items() if v is not None or name == "label"}


def new_file(output: str, data: str | Sequence[str], *, overwrite: bool) -> Path:
    """Return the path of a file to write, which is not the data and holds nothing finished.

    Raises:
        ConfigError: it is the data, cannot be written, or is there and is not to be replaced.
    """
    path = require_file(output)
    sources = [data] if isinstance(data, str) else data
    if path.exists() and any(Path(one).exists() and path.samefile(one) for one in sources):
        raise ConfigError(f"output {path}: these are the questions to read; name another file.")
    if path.exists() and not overwrite and not partial_path(path).exists():
        raise ConfigError(f"{path} is there already. Choose another --output, or pass --overwrite.")
    return path
