"""What a source means: bundled questions, a file, a folder or pattern of them, or a Hub set."""

import glob
import os
from collections.abc import Sequence
from pathlib import Path

from mcqa.data.files import READERS, ending_of
from mcqa.errors import ConfigError, DataError

BUNDLED = "bundled"
BUNDLED_BY_KIND = {"choice": BUNDLED, "several": "bundled-several", "scale": "bundled-scale"}
Source = str | os.PathLike
Sources = Source | Sequence[Source]


def is_bundled(source: Source) -> bool:
    """Return whether a source is one of the sets that ship with the package."""
    return isinstance(source, str) and source in BUNDLED_BY_KIND.values()


def is_file(source: Source) -> bool:
    """Return whether a source is meant as a path; what is not is bundled or a Hub data set."""
    text = os.fspath(source)
    return (
        isinstance(source, os.PathLike)
        or text.startswith((".", "/", "~"))
        or "\\" in text
        or text.partition("@")[0].count("/") > 1
        or ending_of(text) in READERS
        or glob.has_magic(text)
        or Path(text).exists()
    )


def single_sources(source: Sources) -> list[Source]:
    """Return sources one by one, in order, the files of a folder or of a pattern by their names.

    Raises:
        DataError: a folder has no file that is read, or nothing has a name of a pattern.
    """
    if not isinstance(source, str | os.PathLike):
        return [single for one in source for single in single_sources(one)]
    if is_bundled(source) or not is_file(source):
        return [source]
    path = Path(source)
    if path.is_dir():
        files = sorted(file for file in path.iterdir() if ending_of(file) in READERS)
        if not files:
            endings = ", ".join(READERS)
            raise DataError(
                f"{path}: is a folder without a file that is read ({endings}). Name another."
            )
        return files
    if path.exists() or not glob.has_magic(str(path)):
        return [source]
    found = sorted(map(Path, glob.glob(str(path), recursive=True)))
    if files := [file for file in found if not file.is_dir()]:
        return files
    raise DataError(f"{path}: no file has such a name. Correct the pattern.")


def source_name(source: Sources) -> str:
    """Return what messages and records call a source, or several.

    >>> source_name("bundled"), source_name(["a.jsonl", "b.jsonl"])
    ('bundled', 'a.jsonl, b.jsonl')
    """
    return str(source) if isinstance(source, str | os.PathLike) else ", ".join(map(str, source))


def resolve_split(source: Source, split: str | None, beside: Sequence[Source] = ()) -> str | None:
    """Return the split of a source; beside others, one is for those that have splits.

    Raises:
        ConfigError: a file is given a split, or a Hub data set none.
    """
    if is_bundled(source):
        return split or "test"
    if is_file(source):
        if split is not None and all(map(_has_none, [source, *beside])):
            raise ConfigError(
                f"{source}: a file has no splits, but split is {split!r}. Leave it out, and give "
                "each split as a file of its own."
            )
        return None
    if not split:
        raise ConfigError(
            f"{source}: no file of this name, so it is taken for a Hub data set, which needs a "
            "split, like validation. Correct the path, pass a split, or use 'bundled'."
        )
    return split


def _has_none(source: Source) -> bool:
    return not is_bundled(source) and is_file(source)
