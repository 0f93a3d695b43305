"""Score synthetic questions on two nodes, few and many, and compare the memory that this takes.

    python benchmarks/ray_memory.py --rows 100000 1000000

writes that many short questions into one gzipped JSON lines file, and scores each with a tiny model
on a cluster of two nodes with a CPU each, by the command itself. The command's process is asked for
its most memory (VmHWM, at its end) and so is every process that Ray started for it: workers and
tasks, of which the largest counts. Memory that processes share with Ray's store of objects is
taken off (RssShmem), since Ray bounds that itself. Exit code 1 where one differs by over a tenth.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from ray_cluster import cluster, command, workers, write_model, write_questions

MAY_DIFFER = 0.1


def memory(pid: int) -> int:
    """Return a process's most memory, without what it shares, in bytes; 0 where it has ended."""
    try:
        text = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    lines = dict(line.split(":", 1) for line in text.splitlines())
    peak, shared = (int(lines.get(key, "0 kB").split()[0]) * 1024 for key in ("VmHWM", "RssShmem"))
    return peak - shared


def watch(process: subprocess.Popen, made) -> dict[str, int]:
    """Return the most memory of the command and of the largest process that Ray ran for it."""
    peaks = {"driver": 0, "worker": 0, "task": 0}
    while process.poll() is None:
        peaks["driver"] = max(peaks["driver"], memory(process.pid))
        for pid, name in workers(made).items():
            kind = "worker" if "ScoreParts" in name else "task"
            peaks[kind] = max(peaks[kind], memory(pid))
        time.sleep(0.5)
    return peaks


def measure(rows: int, folder: Path, model: Path, arguments) -> dict:
    """Score so many questions on a cluster of its own, and return what that took."""
    data, output = folder / f"{rows}.jsonl.gz", folder / f"scored-{rows}"
    write_questions(data, rows)
    with cluster(nodes=2) as made:
        flags = ["--model", model, "--data", data, "--scorer", "text", "--device", "cpu"]
        flags += ["--engine", "ray", "--ray-address", made.address, "--workers", 2]
        flags += ["--batch-size", arguments.batch_size, "--block", arguments.block]
        flags += ["--format", "json", "--output", output]
        how = command("score", *flags)
        process = subprocess.Popen(**how, stdout=subprocess.PIPE, text=True)
        peaks = watch(process, made)
        said = process.communicate()[0]
    if process.returncode:
        sys.exit(f"scoring {rows:,} questions failed")
    result = json.loads(said)
    manifest = json.loads((output / "manifest.json").read_text())
    if manifest["n"] != rows:
        sys.exit(f"{manifest['n']:,} predictions for {rows:,} questions")
    return {"rows": rows, "parts": len(manifest["parts"]), **result, **peaks}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, nargs="+", default=[100_000, 1_000_000])
    parser.add_argument("--block", type=int, default=2048)
    parser.add_argument("--batch-size", type=int, default=256)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="mcqa-ray-memory-") as made:
        folder = Path(made)
        model = folder / "model"
        write_model(model)
        results = [measure(rows, folder, model, arguments) for rows in arguments.rows]
    print("| questions | parts | seconds | questions/s | driver, MB | worker, MB | reading, MB |")
    print("|---|---|---|---|---|---|---|")
    for result in results:
        sizes = (f"{result[kind] / 1e6:.1f}" for kind in ("driver", "worker", "task"))
        speed = f"{result['seconds']:.0f} | {result['questions_per_second']:.0f}"
        row = f"{result['rows']:,} | {result['parts']:,} | {speed}"
        print(f"| {row} | {' | '.join(sizes)} |", flush=True)
    first, last = results[0], results[-1]
    more = {kind: last[kind] / first[kind] - 1 for kind in ("driver", "worker", "task")}
    print(", ".join(f"{kind} {change:+.1%}" for kind, change in more.items()))
    grown = (last["driver"] - first["driver"]) / max(1, last["rows"] - first["rows"])
    print(f"driver: {grown:.2f} bytes a question")
    sys.exit(max(more.values()) > MAY_DIFFER)


if __name__ == "__main__":
    main()
