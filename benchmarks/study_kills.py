"""Kill a study at random moments, go on with it, and compare with an unbroken one.

    python benchmarks/study_kills.py study.yaml --kills 10 --output runs/study-kills

The study is run once unbroken, which tells how long it takes. Then the same command is started
again and again and gets SIGKILL at a random moment of that time, until so many kills have hit;
where it ends before its kill it is compared, and starts anew. Compared are the bytes of
results.json, of every cell's answers, of what was trained and of the digests of its questions.
Prints what became of it; the exit code is 1 where a byte differs.

Every start is a fork of this process, which has imported everything and computed nothing: so a kill
costs no import.
"""

import argparse
import os
import random
import shutil
import signal
import sys
import time
from pathlib import Path

import peft  # noqa: F401
import torch  # noqa: F401
import transformers  # noqa: F401

import mcqa.study.study
from mcqa.cli import main as mcqa

COMPARED = (
    "results.json",
    "cells/*/predictions.jsonl",
    "cells/*/validation_predictions.jsonl",
    "cells/*/run/adapter_model.safetensors",
    "cells/*/run/trained.safetensors",
    "cells/*/run/questions_seen.txt",
)


def start(file: str, output: Path) -> int:
    """Start the study in a process of its own and return its id."""
    if process := os.fork():
        return process
    with (output.parent / "output.txt").open("a", encoding="utf-8") as told:
        os.dup2(told.fileno(), 1)
        os.dup2(told.fileno(), 2)
    try:
        mcqa(["study", file, "--output", str(output)])
    except SystemExit as ended:
        os._exit(ended.code or 0)
    os._exit(1)


def ended(process: int, seconds: float | None = None) -> int | None:
    """Wait for a process, at most so long, and return its exit code: -9 if killed, None if on."""
    until = None if seconds is None else time.monotonic() + seconds
    while True:
        found, status = os.waitpid(process, 0 if until is None else os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() >= until:
            return None
        time.sleep(0.005)


def contents(output: Path) -> dict[str, bytes]:
    """Return the bytes of all that must be the same, by the files' names."""
    files = (path for pattern in COMPARED for path in output.glob(pattern))
    return {path.relative_to(output).as_posix(): path.read_bytes() for path in files}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("study")
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", default="runs/study-kills")
    arguments = parser.parse_args()

    folder, chance = Path(arguments.output), random.Random(arguments.seed)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    begun = time.monotonic()
    if ended(start(arguments.study, folder / "unbroken")):
        sys.exit(f"the unbroken study failed: {(folder / 'output.txt').read_text('utf-8')}")
    seconds, unbroken = time.monotonic() - begun, contents(folder / "unbroken")

    output, kills, finished, different = folder / "killed", 0, 0, set()
    while not finished or kills < arguments.kills:
        process, code = start(arguments.study, output), None
        if kills < arguments.kills:
            code = ended(process, chance.uniform(0, seconds))
            if code is None:
                os.kill(process, signal.SIGKILL)
        code = ended(process) if code is None else code
        kills += code == -signal.SIGKILL
        if code == -signal.SIGKILL:
            continue
        if code:
            sys.exit(f"going on failed: {(folder / 'output.txt').read_text('utf-8')}")
        found = contents(output)
        names = unbroken.keys() | found.keys()
        different |= {name for name in names if found.get(name) != unbroken.get(name)}
        finished += 1
        if kills < arguments.kills:
            shutil.rmtree(output)
    print("| kills | finished studies | files compared in each | different |")
    print("|---|---|---|---|")
    print(f"| {kills} | {finished} | {len(unbroken)} | {len(different)} |")
    sys.exit(f"different: {', '.join(sorted(different))}" if different else 0)


if __name__ == "__main__":
    main()
