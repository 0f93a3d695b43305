"""What a case of bad input is, and how to make one.

The cases stand in the other modules `bad_...`; docs/errors.md shows them.

In commands and messages the words FILE, MODEL, RUN, CONFIG and OUT stand for paths; `…` in a
message stands for anything, such as what another library says.
"""

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

SCORE = "score --model MODEL --data FILE --output OUT/p.jsonl"
TRAIN = "train generative --model MODEL --data FILE --output OUT --device cpu --quantization none"
TRAIN_HEAD = TRAIN.replace("generative", "multiple-choice")
MEMORY = "memory --model MODEL --device cpu"
EVALUATE = "evaluate --model MODEL --data FILE --output OUT"
GOOD = {"id": "q1", "question": "Which is a fruit?", "options": ["pear", "saw"], "label": 0}


@dataclass
class Place:
    """Hold where a case plays, all of it good until the case spoils something.

    Args:
        folder: an empty folder of the case's own.
        file: questions.
        model: a model folder.
        runs: a run folder of each formulation.
        patch: to change the surroundings for the case.
    """

    folder: Path
    file: Path
    model: Path
    runs: dict[str, Path]
    patch: pytest.MonkeyPatch
    run: Path = field(init=False)
    config: Path = field(init=False)
    out: Path = field(init=False)

    def __post_init__(self):
        self.run = self.runs["generative"]
        self.config, self.out = self.folder / "config.yaml", self.folder / "out"

    @property
    def words(self) -> dict[str, str]:
        """The paths that words of commands and messages stand for."""
        names = ("file", "model", "run", "config", "out")
        return {name.upper(): str(getattr(self, name)) for name in names}


@dataclass(frozen=True)
class Case:
    """Say what is wrong, what the user is told, and how to get there.

    Args:
        wrong: in words for the docs.
        message: after `Error: `, whole.
        command: the arguments of `mcqa`.
        make: spoils something of a place.
    """

    wrong: str
    message: str
    command: str = SCORE
    make: Callable[[Place], None] = lambda place: None


def content(name: str, data: str | bytes):
    """Make a file of questions that holds this."""

    def make(place: Place) -> None:
        place.file = place.folder / name
        place.file.write_bytes(data if isinstance(data, bytes) else data.encode())

    return make


def rows(*rows: dict):
    """Make a JSON lines file of these rows, behind a good one."""
    return content("q.jsonl", "".join(json.dumps(row) + "\n" for row in (GOOD, *rows)))


def row(*without: str, **changes):
    """Make a file whose second row lacks some fields and has others changed."""
    bad = {k: v for k, v in (GOOD | {"id": "q2"} | changes).items() if k not in without}
    return rows(bad)


def settings(text: str):
    """Make a YAML file of settings."""
    return lambda place: place.config.write_text(text)


def spoiled(kind: str, spoil: Callable[[Path], None], formulation: str = "generative"):
    """Spoil a copy of the `model`, or of the `run` of a formulation."""

    def make(place: Place) -> None:
        source = place.model if kind == "model" else place.runs[formulation]
        copy = place.folder / kind
        shutil.copytree(source, copy, ignore=shutil.ignore_patterns("checkpoints"))
        setattr(place, kind, copy)
        spoil(copy)

    return make


def edited(name: str, **changes):
    """Return what changes fields of a JSON file; None takes a field away."""

    def edit(folder: Path) -> None:
        path = folder / name
        values = json.loads(path.read_text()) | changes
        path.write_text(json.dumps({k: v for k, v in values.items() if v is not None}))

    return edit


def replaced(name: str, text: str):
    """Return what writes something else into a file."""
    return lambda folder: (folder / name).write_text(text)


def cut(name: str):
    """Return what cuts off the second half of a file."""

    def halve(folder: Path) -> None:
        data = (folder / name).read_bytes()
        (folder / name).write_bytes(data[: len(data) // 2])

    return halve
