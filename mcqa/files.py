"""Write a file all or nothing."""

import json
import os
from pathlib import Path


def write_whole(path: str | os.PathLike, content: str | bytes) -> Path:
    """Write a file under a temporary name, then rename it, and return its path.

    An interruption leaves the file as it was before. Missing folders are made.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_bytes(content.encode() if isinstance(content, str) else content)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    return path


def write_json(path: str | os.PathLike, value) -> Path:
    """Write a value as indented JSON, all or nothing, and return the path."""
    return write_whole(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")
