"""Write a file all or nothing, and find out beforehand whether that will work.

Two traps. A rename may reach the disk before what was written; so the content is synced first. And
a link may lie where a file is going to be; so temporary names cannot be guessed, a rename replaces
a link, and `inside` refuses the rest.
"""

import contextlib
import json
import os
import secrets
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

from mcqa.errors import ConfigError, RunError


def cache_folder() -> Path:
    """Return where work is kept for later: `$MCQA_CACHE`, or the user's cache folder."""
    from platformdirs import user_cache_dir

    return Path(os.environ.get("MCQA_CACHE") or user_cache_dir("mcqa"))


def write_whole(path: str | os.PathLike, content: str | bytes) -> Path:
    """Write a file elsewhere, then rename it, and return its path; RunError on a full disk.

    An interruption leaves the file as it was before. Missing folders are made.
    """
    path, content = Path(path), content.encode() if isinstance(content, str) else content
    try:
        with whole_files(path.parent) as made:
            (made / path.name).write_bytes(content)
    except OSError as error:
        raise not_written(path, error) from error
    return path


@contextlib.contextmanager
def whole_folder(path: str | os.PathLike) -> Iterator[Path]:
    """Give a folder to write into, which becomes `path`, an empty one or none, unless it fails."""
    path = Path(path).resolve()
    with _removable_folder(path) as temporary:
        yield temporary
        if path.is_dir():
            path.rmdir()
        temporary.rename(path)


@contextlib.contextmanager
def whole_files(folder: Path) -> Iterator[Path]:
    """Give a folder to write into, whose files take their places in another if all goes well.

    What else is there stays. Libraries write through a link that they find; here they find none.
    """
    with _removable_folder(folder / "files") as temporary:
        yield temporary
        for made in sorted(temporary.iterdir()):
            place = folder / made.name
            if made.is_file():
                with made.open("r+b") as file:
                    os.fsync(file.fileno())
            elif place.exists():
                shutil.rmtree(place)
            made.replace(place)


@contextlib.contextmanager
def _removable_folder(path: Path) -> Iterator[Path]:
    """Give a new folder beside a path, of a name that nobody can foresee; it goes at the end."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}.tmp")
    temporary.mkdir(parents=True)
    try:
        yield temporary
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def inside(folder: str | os.PathLike, name: str) -> Path:
    """Return a path in a folder; ConfigError where a link leads it out of there."""
    path = Path(folder, name)
    if not path.resolve().is_relative_to(Path(folder).resolve()):
        raise ConfigError(
            f"{path} leads out of {folder} by a link, and links out of a folder are not followed. "
            "Put what it leads to in its place, or take the link away."
        )
    return path


def not_written(path: str | os.PathLike, error: OSError) -> RunError:
    """Return the error of a file that could not be written."""
    return RunError(
        f"{path}: cannot be written ({error.strerror or error}). What was there before is kept; "
        "make room or choose another output, and give the command again."
    )


def require_folder(path: str | os.PathLike) -> Path:
    """Return a folder that can be written to, making it where it is missing; else ConfigError."""
    path = Path(path)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            f"output {path}: not a folder, and none can be made ({error})."
        ) from error
    if not os.access(path, os.W_OK):
        raise ConfigError(f"output {path}: the folder must not be written to.")
    return path


def require_file(path: str | os.PathLike) -> Path:
    """Return a file's path after making sure that it can be written; else ConfigError."""
    path = Path(path)
    if path.is_dir():
        raise ConfigError(f"output {path}: a folder; name a file to write.")
    require_folder(path.parent)
    return path


def write_rows(path: str | os.PathLike, rows: Iterable) -> Path:
    """Write values as JSON lines, all or nothing, and return the path."""
    return write_whole(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))


def write_json(path: str | os.PathLike, value) -> Path:
    """Write a value as indented JSON, all or nothing, and return the path."""
    return write_whole(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def read_yaml(path: str | os.PathLike) -> dict:
    """Return the settings that a YAML file holds by name; ConfigError where it is none."""
    import yaml

    try:
        settings = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        reason = " ".join(str(error).split())
        raise ConfigError(f"{path}: cannot be read as YAML ({reason}).") from error
    if not isinstance(settings, dict) or not all(isinstance(name, str) for name in settings):
        raise ConfigError(f"{path}: a configuration is a list of `setting: value` lines.")
    return settings
