"""Score synthetic questions on two nodes, few and many, and compare the memory that this takes.

    python benchmarks/ray_memory.py --rows 100000 1000000

writes that many short questions into one gzipped JSON lines file, and scores each with a tiny model
on a cluster of two nodes with a CPU each, by the command itself. The command's process is asked for
its most memory (VmHWM, at its end) and so is every process that Ray started for it: workers and
tasks, of which the largest counts. Memory that processes share with Ray's store of objects is
taken off (RssShmem), since Ray bounds that itself. Exit code 1 where one differs by over a tenth.
"""

import argparse
import gzip
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

MAY_DIFFER = 0.1
WORDS = "red blue old new big small hot cold wet dry cup pot pan hat box key map pen jar lid".split()


def write_questions(path: Path, n: int, seed: int = 0) -> None:
    """Write n questions of two options and a few words, gzipped."""
    chance = random.Random(seed)
    with gzip.open(path, "wt", compresslevel=1) as file:
        for number in range(n):
            stem = " ".join(chance.choices(WORDS, k=4))
            options = chance.sample(WORDS, 2)
            row = {"id": f"q{number}", "question": stem, "options": options, "label": number % 2}
            file.write(json.dumps(row) + "\n")


def write_model(folder: Path) -> None:
    """Write a Llama of one layer and 64 units with random weights, and a tokenizer of words."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    names = ["<unk>", "<s>", "</s>", *WORDS, "Question", "Answer", ":"]
    vocabulary = {name: number for number, name in enumerate(names)}
    backend = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    backend.pre_tokenizer = pre_tokenizers.Whitespace()
    special = {"unk_token": "<unk>", "bos_token": "<s>", "eos_token": "</s>", "pad_token": "</s>"}
    PreTrainedTokenizerFast(tokenizer_object=backend, **special).save_pretrained(folder)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=384,  # the check of a model on itself takes tokens beyond these words
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=1,
        num_attention_heads=4,
        max_position_embeddings=256,
        bos_token_id=1,
        eos_token_id=2,
        pad_token_id=2,
    )
    LlamaForCausalLM(config).save_pretrained(folder)


def memory(pid: int) -> tuple[str, int, int]:
    """Return a process's name, its peak without shared memory and all of its peak, in bytes."""
    try:
        text = Path(f"/proc/{pid}/status").read_text()
        name = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return "", 0, 0
    lines = dict(line.split(":", 1) for line in text.splitlines())
    peak, shared = (int(lines.get(key, "0 kB").split()[0]) * 1024 for key in ("VmHWM", "RssShmem"))
    return name, peak - shared, peak


def watch(process: subprocess.Popen, nodes: list[int]) -> dict[str, int]:
    """Return the most memory of the command and of the largest process that Ray ran for it."""
    peaks = {"driver": 0, "worker": 0, "task": 0}
    while process.poll() is None:
        _, own, _ = memory(process.pid)
        peaks["driver"] = max(peaks["driver"], own)
        for pid in (child for node in nodes for child in children(node)):
            name, own, _ = memory(pid)
            kind = "worker" if "ScoreParts" in name else "task" if name.startswith("ray::") else ""
            if kind:
                peaks[kind] = max(peaks[kind], own)
        time.sleep(0.5)
    return peaks


def children(pid: int) -> list[int]:
    """Return the processes that a process started."""
    try:
        return list(map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split()))
    except OSError:
        return []


def measure(rows: int, folder: Path, model: Path, arguments) -> dict:
    """Score so many questions on a cluster of its own, and return what that took."""
    from ray.cluster_utils import Cluster

    data, output = folder / f"{rows}.jsonl.gz", folder / f"scored-{rows}"
    write_questions(data, rows)
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    cluster.add_node(num_cpus=1)
    nodes = [
        process.process.pid
        for node in cluster.list_all_nodes()
        for process in node.all_processes["raylet"]
    ]
    flags = ["score", "--model", model, "--data", data, "--scorer", "text", "--device", "cpu"]
    flags += ["--engine", "ray", "--ray-address", cluster.address, "--workers", 2]
    flags += ["--batch-size", arguments.batch_size, "--block", arguments.block]
    flags += ["--format", "json", "--output", output]
    command = [sys.executable, "-m", "mcqa", *map(str, flags)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    peaks = watch(process, nodes)
    said = process.communicate()[0]
    cluster.shutdown()
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
    print(f"driver: {(last['driver'] - first['driver']) / (last['rows'] - first['rows']):.2f} bytes a question")
    sys.exit(max(more.values()) > MAY_DIFFER)


if __name__ == "__main__":
    main()
