"""What does a busy neighbour cost? Training and scoring alone, and beside another program.

    python benchmarks/beside_a_busy_process.py

Each work (training and scoring, unquantized and NF4) runs with every way in which OpenMP's threads
wait for each other: `ours` is what mcqa does (`mcqa.models.cpu.spinning`), `libgomp` what torch's
runtime does by itself, `passive` is OMP_WAIT_POLICY=PASSIVE, and a number is a spin count. A
process of its own does the work alone and then beside each neighbour, which it starts and ends:
`loop` keeps one core busy, `torch` multiplies matrices on all cores as torch comes. The ways take
turns. A
process that is not done in time is ended; what it finished counts, the rest is `too long`.

Prints the median of the seconds with the least and the most, and how often it is the time that
`libgomp` takes alone, by turn.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from pathlib import Path

WORKS = ("none:train", "nf4:train", "none:score", "nf4:score")
SETTINGS = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "OMP_NUM_THREADS")
WAYS = {
    "libgomp": {"GOMP_SPINCOUNT": "300000"},  # its default
    "passive": {"OMP_WAIT_POLICY": "PASSIVE"},
    "ours": {},
}
LOOP = "import os\nparent = os.getppid()\nwhile os.getppid() == parent: "
NEIGHBOURS = {"loop": LOOP + "pass", "torch": f"import torch\na = torch.eye(1024)\n{LOOP}a = a @ a"}
STARTING = {"loop": 0.5, "torch": 6}  # seconds until one is at work


def main() -> None:
    """Run one process's share, or start all the processes in turn."""
    options = parse()
    if options.cell:
        run_cell(options, *options.cell.split(":"))
        return
    print(f"{options.model}, bundled questions, batches of {options.batch_size}; {hardware()}")
    for work in options.works:
        turns = [
            {way: start_cell(options, work, way) for way in options.ways}
            for _ in range(options.turns)
        ]
        report(options, work, turns)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="smollm2-135m")
    parser.add_argument("--works", nargs="+", choices=WORKS, default=list(WORKS))
    parser.add_argument("--ways", nargs="+", default=list(WAYS), help="names, or spin counts")
    parser.add_argument("--neighbours", nargs="*", choices=list(NEIGHBOURS), default=["loop"])
    parser.add_argument("--train", type=int, default=48, help="questions to train on")
    parser.add_argument("--score", type=int, default=96, help="questions to score")
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--turns", type=int, default=3, help="processes a work and way")
    parser.add_argument("--seconds", type=int, default=120, help="until a process is ended")
    parser.add_argument("--cell", help="for the processes that this one starts")
    return parser.parse_args()


def start_cell(options: argparse.Namespace, work: str, way: str) -> dict[str, float]:
    """Run a work in a process of its own and return its seconds, alone and by neighbour."""
    environment = {name: value for name, value in os.environ.items() if name not in SETTINGS}
    environment |= WAYS.get(way, {"GOMP_SPINCOUNT": way})
    command = [sys.executable, *sys.argv, "--cell", work]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
    try:
        told = process.communicate(timeout=options.seconds)[0]
    except subprocess.TimeoutExpired:
        process.kill()
        told = process.communicate()[0]
    else:
        if process.returncode:
            sys.exit(f"{' '.join(command)} failed")
    seconds = dict(json.loads(line) for line in told.splitlines())
    print(work, way, *(f"{name} {took:.2f} s" for name, took in seconds.items()), flush=True)
    return seconds


def run_cell(options: argparse.Namespace, quantization: str, phase: str) -> None:
    """Time a work alone and beside each neighbour, and print a line for each."""
    step, batches = build(options, quantization, phase)
    timed(step, batches)  # warm up: memory pools, optimizer state, kernels of every shape
    print(json.dumps(["alone", timed(step, batches)]), flush=True)
    for name in options.neighbours:
        neighbour = subprocess.Popen([sys.executable, "-c", NEIGHBOURS[name]])
        time.sleep(STARTING[name])
        print(json.dumps([name, timed(step, batches)]), flush=True)
        neighbour.kill()
        neighbour.wait()


def build(options: argparse.Namespace, quantization: str, phase: str) -> tuple:
    """Return the step of a work and the batches to take it on."""
    import mcqa  # isort: skip  before torch, as a program that uses it would

    import torch
    from multiple_choice import scoring, training

    from heads.branching import pack
    from mcqa.formulations import get_formulation
    from mcqa.models.backbones import load_tokenizer
    from mcqa.models.names import resolve_model
    from mcqa.prompting.encoding import Encoder
    from mcqa.prompting.prompts import get_template

    path = resolve_model(options.model).path
    model = get_formulation("multiple_choice").load_backbone(
        path, quantization=quantization, dtype="bfloat16", device="cpu"
    )
    split, count = ("train", options.train) if phase == "train" else ("test", options.score)
    questions = mcqa.load_questions("bundled", split=split, limit=count)
    encoded = Encoder(load_tokenizer(path), get_template("cloze"), 512).encode(questions)
    chunks = [
        encoded[start : start + options.batch_size]
        for start in range(0, len(encoded), options.batch_size)
    ]
    batches = [
        (
            pack([one.prefix for one in chunk], [one.continuations for one in chunk]),
            torch.tensor([one.question.label for one in chunk]),
        )
        for chunk in chunks
    ]
    step = scoring(model) if phase == "score" else training(model, "bfloat16", "cpu")
    return step, batches


def timed(step, batches) -> float:
    """Return how long all the batches take, threads waiting as when mcqa trains or scores."""
    from mcqa.models.cpu.spinning import giving_way

    started = time.perf_counter()
    with giving_way("cpu"):
        for batch in batches:
            step(*batch)
    return time.perf_counter() - started


def report(options: argparse.Namespace, work: str, turns: list[dict[str, dict]]) -> None:
    """Print a line for every way and neighbour."""
    print(f"\n{work}, {len(turns)} turns")
    for way in options.ways:
        for beside in ("alone", *options.neighbours):
            seconds = [turn[way].get(beside) for turn in turns]
            line = f"{way:12}{beside:8}{_spread(seconds, 's')}"
            if "libgomp" in options.ways and all(seconds):
                alone = [turn["libgomp"]["alone"] for turn in turns]
                ratios = [took / free for took, free in zip(seconds, alone, strict=True)]
                line += _spread(ratios, "times")
            print(line, flush=True)


def _spread(values: list[float | None], unit: str) -> str:
    if not all(values):
        return "  too long"
    return f"{statistics.median(values):8.2f} {unit} ({min(values):.2f} to {max(values):.2f})"


def hardware() -> str:
    """Return the processor's name, how many threads work, and the versions that decide."""
    import torch

    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    name = names[0] if names else platform.processor() or platform.machine()
    return f"{name}, {torch.get_num_threads()} threads, torch {torch.__version__}"


if __name__ == "__main__":
    main()
