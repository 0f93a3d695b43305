"""Which runs and evaluations there are to look at, and what the page opens on."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from mcqa.evaluating.folder import COMPARISON, RECORD
from mcqa.models.embedded import ALIAS
from mcqa.models.names import RUN_FILE, resolve_model
from mcqa.study.grid import CELL, CELLS, GRID, RESULTS

RUNS = Path("runs")  # where commands write by default, below the folder that they are given in
DEMO = RUNS / "demo"
DEPTH = 3  # how far below a folder is looked
NOTHING_YET = (
    "There is no run here yet, so the untrained model answers. `mcqa demo` trains two in about "
    "5 minutes on 2 cores; the page Train starts one of your own. Then load this page anew."
)


class Opening(NamedTuple):
    """Hold what the page opens on, and what to say of it, empty where there is nothing to say."""

    models: list[str]
    evaluations: list[str]
    note: str


def holding(name: str, folder: Path) -> list[str]:
    """Return the folder, and those a little below it, that hold a file of this name, in order."""
    patterns = ("*/" * depth + name for depth in range(DEPTH + 1))
    found = (path.parent for pattern in patterns for path in sorted(folder.glob(pattern)))
    return [str(each) for each in found if not each.name.startswith(".")]


def runs_below(folder: Path) -> list[str]:
    """Return the finished runs in a folder, as names of models."""
    return holding(RUN_FILE, folder)


def evaluations_below(folder: Path) -> list[str]:
    """Return the evaluations and studies in a folder, itself among them where it is one."""
    return unique([*holding(RECORD, folder), *holding(GRID, folder)])


def is_study(folder: Path) -> bool:
    """Say whether a folder is one that `mcqa study` wrote."""
    return (folder / GRID).is_file()


def opening(given: Sequence[str]) -> Opening:
    """Return what to open on: what is given, else the demo's runs, else the embedded model.

    A name that means nothing is kept, for its error to stand where its answer would.
    """
    models, evaluations = [], []
    for name in map(str, given or [DEMO]):
        runs, shown = (look(Path(name)) for look in (runs_below, evaluations_below))
        models += runs or ([] if shown or not given else [name])
        evaluations += shown
    note = "" if models else NOTHING_YET
    return Opening(unique(models) or [ALIAS], unique(evaluations), note)


def require(given: Iterable[str]) -> None:
    """Raise a ModelError where a name means neither a model nor a folder with runs or more."""
    for name in given:
        if not (runs_below(Path(name)) or evaluations_below(Path(name))):
            resolve_model(name)


def unique(names: Iterable[str]) -> list[str]:
    """Return names without doubles, in the order in which they come first."""
    return list(dict.fromkeys(names))


def stamp(model: str) -> float:
    """Return what changes when a run is trained anew, so that no old one is shown."""
    path = Path(model) / RUN_FILE
    return path.stat().st_mtime if path.is_file() else 0.0


def evaluation_stamp(folder: str) -> tuple[float, ...]:
    """Return what changes when an evaluation or a study is written anew, or goes on."""
    place = Path(folder)
    written = [place / name for name in (RECORD, COMPARISON, GRID, RESULTS)]
    written += sorted(place.glob(f"{CELLS}/*/{CELL}"))
    return tuple(path.stat().st_mtime for path in written if path.is_file())
