"""Compare scoring on two nodes with one process, to the last bit, and two workers with one.

    python benchmarks/ray_scoring.py --rows 20000
    python benchmarks/ray_scoring.py --rows 600 --block 32 --model smollm2-135m

scores synthetic questions in one process, then on a cluster of two nodes of a CPU each with one
worker and with two, all of one thread. Speed is counted from when each worker has done a part,
which leaves out what it loads, to the last part; questions by the workers' processor seconds are
told besides, which neighbours on the machine change little. Exit code 1 where a prediction differs,
or where two workers do not reach 1.8 times the questions a second of one.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from ray_cluster import cluster, command, workers, write_model, write_questions

AT_LEAST = 1.8


def score(made, n: int, arguments, model: str, data: Path, output: Path) -> tuple[float, float]:
    """Score with n workers, and return questions a second of all, and a processor second."""
    from mcqa.scoring.ray_job import score_on_ray
    from mcqa.system.cluster import Machines

    done: list[tuple[float, float, int]] = []

    def on_progress(more: int, pace) -> None:
        if len(pace.workers) == n:
            done.append((time.monotonic(), processor_seconds(made), more))

    score_on_ray(
        {"model": model, "scorer": "text", "device": "cpu", "batch_size": arguments.batch_size},
        str(data),
        str(output),
        reading={},
        block=arguments.block,
        address=made.address,
        machines=Machines(n),
        announce=lambda line: None,
        on_progress=on_progress,
    )
    (start, processor, _), *others = done
    end, processor_at_end, _ = others[-1]
    scored = sum(more for _, _, more in others)
    return scored / (end - start), scored / (processor_at_end - processor)


def processor_seconds(made) -> float:
    """Return what the workers have taken of all cores."""
    ticks = 0
    for pid, name in workers(made).items():
        if "ScoreParts" in name:
            stat = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            ticks += int(stat[11]) + int(stat[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--block", type=int, default=512)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--model", help="default: a tiny one with random weights")
    parser.add_argument("--repeat", type=int, default=1, help="how often each is timed")
    arguments = parser.parse_args()
    os.environ |= {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}

    from mcqa.scoring.parts import Place, read_parts
    from mcqa.system.hardware import describe_hardware

    with tempfile.TemporaryDirectory(prefix="mcqa-ray-scoring-") as place:
        folder, model = Path(place), arguments.model
        if model is None:
            model = str(folder / "model")
            write_model(folder / "model")
        data, alone = folder / "q.jsonl.gz", folder / "p.jsonl"
        write_questions(data, arguments.rows)
        flags = ["--model", model, "--data", data, "--scorer", "text", "--device", "cpu"]
        flags += ["--batch-size", arguments.batch_size, "--block", arguments.block]
        how = command("score", *flags, "--format", "json", "--output", alone)
        said = subprocess.run(**how, check=True, stdout=subprocess.PIPE).stdout
        print(f"{describe_hardware()}, {arguments.rows:,} questions, {Path(model).name}")
        print(f"one process: {json.loads(said)['questions_per_second']:,.1f} questions/s")
        expected, rates, different = alone.read_text(), {}, 0
        with cluster(nodes=2) as made:
            for n in (1, 2) * arguments.repeat:
                output = folder / f"{n}-{len(rates.get(n, ()))}"
                rate, of_processor = score(made, n, arguments, model, data, output)
                rates.setdefault(n, []).append(rate)
                parts = read_parts(Place.of(str(output)))
                different += "".join(p.to_json() + "\n" for p in parts) != expected
                speed = (
                    f"{rate:,.1f} questions/s, {of_processor:,.1f} a processor second of workers"
                )
                print(f"{n} workers: {speed}", flush=True)
    ratio = statistics.median(rates[2]) / statistics.median(rates[1])
    print(f"two workers: {ratio:.2f} times one; {different} runs with other predictions")
    sys.exit(bool(different) or ratio < AT_LEAST)


if __name__ == "__main__":
    main()
