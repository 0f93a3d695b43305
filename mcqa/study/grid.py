"""The grid of a study, read from one YAML file: formulations, seeds, sizes, data sets and models.

    data:
      commonsenseqa: {data: train.jsonl, test: dev.jsonl}
    formulations:
      generative: {formulation: generative}
      head: {formulation: multiple_choice, pooling: mean}
    sizes: [250, 500]
    seeds: [0, 1, 2]
    settings: {recipe: qlora}

Every combination is a cell, which is an ordinary training run and its answers to the test
questions. Settings are those of training: `settings` for all, a formulation's own over them.
"""

import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from mcqa.data import BUNDLED, is_bundled
from mcqa.errors import ConfigError
from mcqa.models.embedded import ALIAS
from mcqa.training.config import TrainingConfig, as_sources

# in a study's folder, see `mcqa.study.cells` and `mcqa.study.study`
GRID, CELLS, CELL, RESULTS = "study.json", "cells", "cell.json", "results.json"

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
Sources = Annotated[tuple[str, ...], BeforeValidator(as_sources)]
Positive = Annotated[int, Field(ge=1)]
# What the grid decides, and what belongs to a cell's own folder.
OF_THE_GRID = ("model", "data", "split", "limit", "seed", "output", "resume", "overwrite")


class DataSet(BaseModel):
    """Say what a cell is trained and tested on; further fields are training settings."""

    model_config = ConfigDict(extra="allow", frozen=True)

    data: Sources = (BUNDLED,)
    split: str | None = None
    test: str | None = None
    test_split: str | None = None
    test_limit: Positive | None = None

    @model_validator(mode="after")
    def _tested_on_others(self):
        one_split = self.test_split in (None, self.split) and not is_bundled(self.data[0])
        if self.test is None and (one_split or len(self.data) > 1):
            raise ValueError("the training questions would be the test; name `test`, a source")
        return self

    @property
    def test_source(self) -> str:
        """The source of the test questions: that of training where none is named."""
        return self.test or self.data[0]


class Formulation(BaseModel):
    """Say how a cell is trained and scored; further fields are training settings.

    `data` is what it is trained on instead of the data set's, as more questions or soft labels are.
    """

    model_config = ConfigDict(extra="allow", frozen=True)

    formulation: Literal["generative", "multiple_choice"]
    scorer: str | None = None
    data: Sources | None = None


class Grid(BaseModel):
    """Hold what a study's file says."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    title: str = "Which formulation?"
    data: dict[Name, DataSet] = Field(
        {"bundled": DataSet(validation_split="validation")}, min_length=1
    )
    formulations: dict[Name, Formulation] = Field(
        {
            "generative": Formulation(formulation="generative"),
            "multiple_choice": Formulation(formulation="multiple_choice"),
        },
        min_length=1,
    )
    models: tuple[str, ...] = Field((ALIAS,), min_length=1)
    sizes: tuple[Positive | None, ...] = Field((None,), min_length=1)
    seeds: tuple[Annotated[int, Field(ge=0)], ...] = Field((0, 1, 2), min_length=1)
    settings: dict = {}

    @field_validator("models", "sizes", "seeds")
    @classmethod
    def _different(cls, values):
        if len(set(values)) < len(values):
            raise ValueError("values repeat; name each once")
        return values

    def cells(self) -> list["Cell"]:
        """Return the cells, seed by seed, so that the first ones already tell of every arm.

        Raises:
            ConfigError: a setting cannot be used; all faults of all cells at once.
        """
        grid = itertools.product(
            self.seeds, self.data.items(), self.models, self.sizes, self.formulations.items()
        )
        cells, faults = [], {}
        for seed, (data, source), model, size, (arm, formulation) in grid:
            settings = {
                **self.settings,
                **(source.model_extra or {}),
                **(formulation.model_extra or {}),
            }
            wrong = [name for name in OF_THE_GRID if name in settings]
            settings |= {
                "model": model,
                "data": formulation.data or source.data,
                "split": source.split,
            }
            settings |= {"limit": size, "seed": seed}
            # whole, so that a cell keeps its name in a larger grid
            name = f"{data}-{Path(model).name}-{arm}-{size or 'all'}-seed{seed}"
            cell = Cell(
                name=name,
                arm=arm,
                formulation=formulation.formulation,
                scorer=formulation.scorer,
                data=data,
                model=model,
                size=size,
                seed=seed,
                settings={key: value for key, value in settings.items() if value is not None},
            )
            if wrong:
                told = f"{', '.join(wrong)}: set by the study's own fields"
                faults.setdefault(told, f"cell {name}")
            else:
                try:
                    cell.config(Path("."))
                except ConfigError as error:
                    faults.setdefault(str(error), f"cell {name}")
            cells.append(cell)
        names = [cell.name for cell in cells]
        if twice := next((name for name in names if names.count(name) > 1), None):
            faults["models, data sets and formulations need names that differ"] = (
                f"two cells are called {twice}"
            )
        if faults:
            raise ConfigError("\n".join(f"{where}: {fault}" for fault, where in faults.items()))
        return cells


class Cell(BaseModel):
    """Name one run of a study and its settings."""

    model_config = ConfigDict(frozen=True)

    name: str
    arm: str
    formulation: str
    scorer: str | None
    data: str
    model: str
    size: int | None
    seed: int
    settings: dict

    def config(self, folder: Path, *, resume: bool = False) -> TrainingConfig:
        """Return the training settings of the cell.

        Raises:
            ConfigError: they cannot be used.
        """
        try:
            return TrainingConfig(**self.settings, output=str(folder / "run"), resume=resume)
        except ValidationError as error:
            faults = [f"{'.'.join(map(str, f['loc']))} {f['msg']}".strip() for f in error.errors()]
            raise ConfigError("; ".join(faults)) from None


def read_grid(path: str | Path, overrides: Mapping | None = None) -> Grid:
    """Read a study's file.

    Args:
        path: the YAML file.
        overrides: fields that flags give, over those of the file; None means not given.

    Raises:
        ConfigError: it cannot be read, or a field is unknown or out of range; all faults at once.
    """
    try:
        content = yaml.safe_load(Path(path).read_text(encoding="utf-8")) or {}
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        reason = " ".join(str(error).split())
        raise ConfigError(f"{path}: cannot be read as YAML ({reason}).") from error
    if not isinstance(content, dict):
        raise ConfigError(f"{path}: a study is a list of `field: value` lines.")
    return make_grid(content | {k: v for k, v in (overrides or {}).items() if v}, str(path))


def make_grid(fields: Mapping, where: str = "study") -> Grid:
    """Return a grid of these fields.

    Raises:
        ConfigError: as for `read_grid`.
    """
    try:
        return Grid(**fields)
    except ValidationError as error:
        faults = "\n".join(
            f"  {'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors()
        )
        raise ConfigError(f"{where} cannot be used:\n{faults}") from None
