"""Kill workers, nodes and the command itself at random moments, and count what that changes.

    python benchmarks/ray_kills.py --kills 10 --only worker

scores synthetic questions with a tiny model on two nodes of a CPU each. A killed worker is any
process that Ray runs for the command at that moment, reading ones too, by its id; a killed node is
replaced by another; a killed command is given again. Where a run ends before all kills have hit, it
is compared, and the work starts anew. Compared is with the file of one process without Ray. Prints
a table; the exit code is 1 where anything was lost, doubled or different.
"""

import argparse
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from os import kill
from pathlib import Path

from ray_cluster import cluster, command, workers, write_model, write_questions

from mcqa.prediction import read_predictions
from mcqa.scoring.parts import Place, read_parts


@dataclass
class Tally:
    """Count what happened to one kind of kill."""

    kills: int = 0
    finished: int = 0
    lost: int = 0
    doubled: int = 0
    different: int = 0

    def compare(self, output: Path, alone: list) -> None:
        """Compare a finished folder with the predictions of one process."""
        found, place = list(read_parts(Place.of(str(output)))), Place.of(str(output))
        counts = Counter(prediction.id for prediction in found)
        self.finished += 1
        self.lost += sum(prediction.id not in counts for prediction in alone)
        self.doubled += sum(count - 1 for count in counts.values())
        self.different += sum(a != b for a, b in zip(found, alone, strict=False))
        manifest = (place / "manifest.json").read_json()
        if manifest["n"] != len(found) or manifest["rejected"]:
            sys.exit(f"{output}: the manifest tells of {manifest['n']} predictions")


def kill_worker(made, process, chance) -> bool:
    """Kill a process of Ray that works for the command, where there is one."""
    found = workers(made)
    if not found:
        return False
    kill(chance.choice(sorted(found)), signal.SIGKILL)
    return True


def kill_node(made, process, chance) -> bool:
    """Kill a node with all that runs on it, and start another one."""
    nodes = [node for node in made.list_all_nodes() if not node.head]
    made.remove_node(chance.choice(nodes), allow_graceful=False)
    made.add_node(num_cpus=1)
    return True


def kill_driver(made, process, chance) -> bool:
    """Kill the command."""
    process.kill()
    process.wait()
    return True


KILLS = {"worker": kill_worker, "node": kill_node, "driver": kill_driver}


def run(name: str, made, flags: list, output: Path, alone: list, arguments) -> Tally:
    """Score with kills of one kind until so many have hit, and return what became of it."""
    chance, tally = random.Random(f"{arguments.seed} {name}"), Tally()
    while tally.kills < arguments.kills or not tally.finished:
        shutil.rmtree(output, ignore_errors=True)
        again = True
        while again:
            how = command(*flags, "--ray-address", made.address, "--output", output)
            process = subprocess.Popen(**how, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
            again = hit(name, made, process, chance, tally, arguments)
            said = process.communicate()[1].decode()
        if process.returncode:
            sys.exit(f"{name}: the command ended with {process.returncode}: {said}")
        tally.compare(output, alone)
    return tally


def hit(name, made, process, chance, tally: Tally, arguments) -> bool:
    """Kill until the command has ended or all kills have hit; return whether to give it again."""
    while tally.kills < arguments.kills:
        seconds = chance.uniform(0, arguments.seconds if name == "driver" else arguments.between)
        try:
            process.wait(timeout=seconds)
            return False
        except subprocess.TimeoutExpired:
            tally.kills += KILLS[name](made, process, chance)
            print(f"{name}: {tally.kills}", file=sys.stderr)
            if name == "driver":
                return True
    process.wait()
    return False


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=60_000)
    parser.add_argument("--block", type=int, default=512)
    parser.add_argument("--kills", type=int, default=10, help="of each kind")
    parser.add_argument("--seconds", type=float, default=40, help="that a command may take")
    parser.add_argument("--between", type=float, default=12, help="most seconds to the next kill")
    parser.add_argument("--only", choices=list(KILLS))
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="mcqa-ray-kills-") as place:
        folder = Path(place)
        model, data = folder / "model", folder / "q.jsonl.gz"
        write_model(model)
        write_questions(data, arguments.rows)
        flags = ["score", "--model", model, "--data", data, "--scorer", "text", "--device", "cpu"]
        flags += ["--batch-size", 64, "--block", arguments.block]
        one = command(*flags, "--output", folder / "p.jsonl")
        subprocess.run(**one, check=True, stdout=subprocess.DEVNULL)
        alone = read_predictions(folder / "p.jsonl")
        flags += ["--engine", "ray", "--workers", 2]
        tallies = {}
        for name in [arguments.only] if arguments.only else KILLS:
            with cluster(nodes=2) as made:
                output = folder / "scored"
                tallies[name] = run(name, made, flags, output, alone, arguments)
    print(f"{arguments.rows:,} questions, {time.monotonic() - started:.0f} s")
    print("| killed | kills | finished runs | lost | doubled | different from one process |")
    print("|---|---|---|---|---|---|")
    for name, t in tallies.items():
        print(f"| {name} | {t.kills} | {t.finished} | {t.lost} | {t.doubled} | {t.different} |")
    sys.exit(any(t.lost or t.doubled or t.different for t in tallies.values()))


if __name__ == "__main__":
    main()
