"""What the benchmarks of Ray share: a tiny model, questions, a cluster of nodes, the command."""

import contextlib
import gzip
import json
import os
import random
import sys
from collections.abc import Iterator
from pathlib import Path

WORDS = [first + rest for first in "bdfhklmnprst" for rest in ("ag", "en", "ip", "ot", "ud")]


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


@contextlib.contextmanager
def cluster(nodes: int, head_cpus: int = 0) -> Iterator:
    """Give a `ray.cluster_utils.Cluster` of nodes with a CPU each, beside its head."""
    from ray.cluster_utils import Cluster

    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    head = {"num_cpus": head_cpus, "include_dashboard": False}
    made = Cluster(initialize_head=True, head_node_args=head)
    for _ in range(nodes):
        made.add_node(num_cpus=1)
    try:
        yield made
    finally:
        made.shutdown()


def raylets(made) -> list[int]:
    """Return the process of each node, which starts those of its workers."""
    nodes = made.list_all_nodes()
    return [each.process.pid for node in nodes for each in node.all_processes["raylet"]]


def workers(made) -> dict[int, str]:
    """Return the processes that work for a command, with what Ray calls them.

    Those that Ray itself needs are none of them: a node ends with its agent.
    """
    found = {}
    for pid in (child for raylet in raylets(made) for child in children(raylet)):
        with contextlib.suppress(OSError):
            name = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[0].decode()
            if name.startswith("ray::") and "Map" in name:
                found[pid] = name
    return found


def children(pid: int) -> list[int]:
    """Return the processes that a process started."""
    try:
        return list(map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split()))
    except OSError:
        return []


def command(*flags) -> dict:
    """Return the arguments of `subprocess.Popen` for a command of one thread."""
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return {"args": [sys.executable, "-m", "mcqa", *map(str, flags)], "env": environment}
