"""The Hub's cache with repositories in it, as if they had been downloaded: the Hub is not asked."""

import shutil
from pathlib import Path

OLD, NEW = "0" * 39 + "1", "0" * 39 + "2"


def keep(cache: Path, repository: str, folders: dict[str, Path | None], refs: dict[str, str]):
    """Put a model's commits into the cache.

    Args:
        cache: its folder.
        repository: `owner/name`.
        folders: of each commit the folder with its files; None for a bare config.json.
        refs: what commit each branch or tag means.
    """
    inside = cache / f"models--{repository.replace('/', '--')}"
    for commit, folder in folders.items():
        snapshot = inside / "snapshots" / commit
        if folder is None:
            snapshot.mkdir(parents=True)
            (snapshot / "config.json").write_text("{}")
        else:
            shutil.copytree(folder, snapshot)
    for name, commit in refs.items():
        path = inside / "refs" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(commit)
