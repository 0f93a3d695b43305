"""The folder that an evaluation is going to write: nobody else's, and nothing old in it.

    evaluation.partial.json     while it is unfinished: the folders of its models

A finished evaluation has `evaluation.json` and no such file. It is replaced only where that is
asked for, and then wholly, for other models have other folders.
"""

import contextlib
import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from mcqa.errors import ConfigError
from mcqa.evaluating.folder import METRICS, OF_ALL, PREDICTIONS, RECORD, Evaluation
from mcqa.evaluating.results import WRITTEN
from mcqa.models.names import RUN_FILE
from mcqa.report.page import PLOTS
from mcqa.runs.trained import VALIDATION_FILE
from mcqa.scoring.orders import ORDERS_FILE
from mcqa.scoring.partial import forget, partial_path
from mcqa.system import processes
from mcqa.system.files import inside, require_folder, write_json
from mcqa.system.locks import locked

STARTED = "evaluation.partial.json"


@contextlib.contextmanager
def evaluation_folder(path: str | os.PathLike, *, overwrite: bool) -> Iterator[Path]:
    """Give a folder to evaluate into, held against other processes; what is in it stays for now.

    Raises:
        ConfigError: it cannot be written, another process writes it, or it holds a finished
            evaluation that is not to be replaced.
    """
    folder = require_folder(path)

    def check() -> None:
        inside(folder, PLOTS)
        finished = (folder / RECORD).exists() and not (folder / STARTED).exists()
        if finished and not overwrite:
            raise ConfigError(
                f"{folder} holds a finished evaluation. Choose another --output, or pass "
                "--overwrite."
            )

    with locked(folder):
        processes.on_main(check)
        yield folder


def begin(folder: Path, names: Sequence[str], *, overwrite: bool) -> list[Path]:
    """Take away what an earlier evaluation left, and return the folders of the models to evaluate.

    Other models of an unfinished one keep their answers in case they are scored again. Of several
    processes, all must call.

    Args:
        names: of the models' folders in `folder`, `.` for itself.
        overwrite: forget the answers kept by an interrupted evaluation.

    Raises:
        ConfigError: one of them is a run's own folder, which has validation answers of its own.
    """
    folders = [inside(folder, name) for name in names]
    if runs := [str(place) for place in folders if (place / RUN_FILE).exists()]:
        raise ConfigError(
            f"{', '.join(runs)}: a run is in there, whose validation answers would be replaced. "
            "Choose another --output."
        )

    def clear() -> None:
        for earlier in _written(folder).difference(folders):
            _remove_answers(earlier, overwrite)
        for name in OF_ALL + WRITTEN:
            (folder / name).unlink(missing_ok=True)
        write_json(folder / STARTED, {"runs": [{"folder": name} for name in names]})

    processes.on_main(clear)
    return folders


def finish(folder: Path, evaluations: Sequence[Evaluation]) -> None:
    """Forget what was kept in case of an interruption, once all that is wanted is written."""
    (folder / STARTED).unlink(missing_ok=True)
    for evaluation in evaluations:
        forget(partial_path(evaluation.folder / PREDICTIONS))


def _written(folder: Path) -> set[Path]:
    """Return the folders of the models of evaluations that were begun or finished here."""
    written = set()
    for name in (RECORD, STARTED):
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):  # it tells nothing
            runs = json.loads((folder / name).read_text(encoding="utf-8"))["runs"]
            written.update(inside(folder, run["folder"]) for run in runs)
    return written


def _remove_answers(folder: Path, overwrite: bool) -> None:
    removed = [PREDICTIONS, METRICS, ORDERS_FILE]
    if not (folder / RUN_FILE).exists():  # where the validation answers are the run's own
        removed.append(VALIDATION_FILE)
    for name in removed:
        (folder / name).unlink(missing_ok=True)
    if overwrite:
        forget(partial_path(folder / PREDICTIONS))
    with contextlib.suppress(OSError):  # where there is more in it
        folder.rmdir()
