"""Benchmarks of many cells that can be stopped: a finished cell is one JSON line of a file."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path


def read_cells(path: Path, key: Sequence[str]) -> dict[tuple, dict]:
    """Return the finished cells; a line cut short by an interruption counts as missing.

    Args:
        path: the file, which need not be there.
        key: the fields that tell cells apart.
    """
    done = {}
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
        try:
            result = json.loads(line)
        except ValueError:
            continue
        done[tuple(result[name] for name in key)] = result
    return done


def run_cells(
    path: Path, cells: Sequence[tuple], done: dict[tuple, dict], run: Callable[..., dict | None]
) -> None:
    """Run the cells that are missing, add them to `done`, and write a line for each.

    Args:
        path: the file.
        cells: what there is to run.
        done: what `read_cells` returned.
        run: called with the parts of a cell; None where it failed.
    """
    for number, cell in enumerate(cells, 1):
        if cell in done:
            continue
        print(f"{number}/{len(cells)}: {' | '.join(map(str, cell))}", flush=True)
        result = run(*cell)
        if result is None:
            print("  failed; started again, the script tries once more", flush=True)
            continue
        with path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(result) + "\n")
        done[cell] = result
