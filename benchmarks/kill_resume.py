"""Kill scoring and training at random moments, go on, and compare with an unbroken run.

    python benchmarks/kill_resume.py --model smollm2-135m --data bundled --limit 300 --kills 20

Each work is done once unbroken, which tells how long it takes once the model is loaded. Then the
same command is started again and again and gets SIGKILL at a random moment of that time, until so
many kills have hit; where one ends before its kill it is compared, and the work starts anew. Prints
a table; the exit code is 1 where anything was lost, doubled or different.
"""

import argparse
import json
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from safetensors.numpy import load_file

COMMAND = [sys.executable, "-c", "from mcqa.cli import main; main()"]


@dataclass
class Tally:
    """Count what happened to one kind of work."""

    kills: int = 0
    finished: int = 0
    lost: int = 0
    doubled: int = 0
    different: int = 0


class Scoring:
    """`mcqa score`: its predictions must be the same bytes, each question once."""

    name, begins = "score", "Scoring"

    def __init__(self, arguments, folder: Path):
        self.output = self.done = folder / "p.jsonl"
        self.flags = ["score", "--model", arguments.model, "--data", arguments.data]
        self.flags += ["--batch-size", "4", "--output", str(self.output)]
        self.flags += ["--limit", str(arguments.limit)]
        self.again = []

    def result(self):
        return [json.loads(line) for line in self.output.open(encoding="utf-8")]

    def compare(self, unbroken, tally: Tally) -> None:
        result = self.result()
        counts = Counter(row["id"] for row in result)
        tally.lost += sum(row["id"] not in counts for row in unbroken)
        tally.doubled += sum(count - 1 for count in counts.values())
        tally.different += result != unbroken


class Training:
    """`mcqa train`: the trained tensors must be equal, every step logged once."""

    name, begins = "train", "Training"

    def __init__(self, arguments, folder: Path):
        self.output, self.done = folder / "run", folder / "run" / "run.json"
        self.flags = ["train", "multiple-choice", "--model", arguments.model]
        self.flags += ["--data", arguments.data, "--limit", str(arguments.limit)]
        self.flags += ["--max-steps", str(arguments.steps), "--steps-between", "2"]
        self.flags += ["--batch-size", "4", "--output", str(self.output)]
        self.again = ["--resume"]

    def result(self):
        log = (self.output / "training_log.jsonl").read_text(encoding="utf-8").splitlines()
        steps = [entry["step"] for entry in map(json.loads, log) if "loss" in entry]
        return steps, load_file(self.output / "adapter_model.safetensors")

    def compare(self, unbroken, tally: Tally) -> None:
        (steps, tensors), (expected_steps, expected) = self.result(), unbroken
        counts = Counter(steps)
        tally.lost += sum(step not in counts for step in expected_steps)
        tally.doubled += sum(count - 1 for count in counts.values())
        same = tensors.keys() == expected.keys()
        tally.different += not same or any((tensors[k] != expected[k]).any() for k in expected)


def start(work, flags=()) -> subprocess.Popen:
    """Start the work and return once its model is loaded."""
    command = [*COMMAND, *work.flags, *flags]
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    for line in process.stderr:
        if line.startswith(work.begins):
            return process
    sys.exit(f"{' '.join(command[3:])} did not begin: {line}")


def finish(process: subprocess.Popen) -> None:
    told = process.communicate()[1]
    if process.returncode:
        sys.exit(f"{' '.join(process.args[3:])} failed: {told}")


def kill_and_resume(kind, arguments, folder: Path, chance: random.Random) -> Tally:
    """Do one kind of work unbroken, then with kills, and return what became of it."""
    work, tally = kind(arguments, folder), Tally()
    process, begun = start(work), time.monotonic()
    finish(process)
    seconds, unbroken = time.monotonic() - begun, work.result()
    clear(work)
    while True:
        process = start(work, work.again)
        if tally.kills < arguments.kills:
            try:
                process.wait(timeout=chance.uniform(0, seconds))
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
            killed = process.wait() == -signal.SIGKILL
            tally.kills += killed
            if killed and not work.done.exists():
                continue
        if process.poll() != -signal.SIGKILL:
            finish(process)
        work.compare(unbroken, tally)
        tally.finished += 1
        if tally.kills == arguments.kills:
            return tally
        clear(work)


def clear(work) -> None:
    for path in work.output.parent.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="smollm2-135m")
    parser.add_argument("--data", default="bundled")
    parser.add_argument("--limit", type=int, default=300)
    parser.add_argument("--steps", type=int, default=30, help="training steps")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", default="runs/kill-resume")
    arguments = parser.parse_args()

    folder, tallies = Path(arguments.output), {}
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for kind in (Scoring, Training):
        chance = random.Random(f"{arguments.seed} {kind.name}")
        tallies[kind.name] = kill_and_resume(kind, arguments, folder, chance)
    print("| work | kills | finished runs | lost | doubled | different from unbroken |")
    print("|---|---|---|---|---|---|")
    for name, tally in tallies.items():
        cells = (tally.kills, tally.finished, tally.lost, tally.doubled, tally.different)
        print(f"| {name} | {' | '.join(map(str, cells))} |")
    sys.exit(any(t.lost or t.doubled or t.different for t in tallies.values()))


if __name__ == "__main__":
    main()
