"""How long does a head take for one question in onnxruntime, and how long here?

    mcqa export runs/head --format onnx --output models/head-onnx
    python benchmarks/onnx_latency.py runs/head models/head-onnx test.jsonl

Whole questions from text to scores, one at a time, in turns so that a busy minute meets all; median
and 95th percentile in milliseconds. Both lay out a question once with its options side by side.
"""

import argparse
import statistics
import time

import torch

import mcqa
from mcqa.export.onnx_client import Model
from mcqa.prompting.prompts import get_template
from mcqa.scoring.loading import load_scorer
from mcqa.system.hardware import describe_hardware


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("run")
    parser.add_argument("folder", help="of mcqa export --format onnx")
    parser.add_argument("data")
    parser.add_argument("--questions", type=int, default=50)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    questions = mcqa.load_questions(given.data, limit=given.questions)
    exported = Model(given.folder, threads=given.threads)
    float32, bfloat16, as_run = (
        load_scorer(given.run, device="cpu", **how)
        for how in (
            {"quantization": "none", "dtype": "float32"},
            {"quantization": "none", "dtype": "bfloat16"},
            {},
        )
    )
    template = get_template(as_run.template)

    def by_onnx(question):
        rendered = template.render(question)
        return exported.scores(rendered.prefix, list(rendered.continuations))

    ways = {
        "onnxruntime, float32, merged": by_onnx,
        "mcqa, float32": float32.score,
        "mcqa, bfloat16": bfloat16.score,
        "mcqa, as trained": as_run.score,
    }
    times = {name: [] for name in ways}
    for question in [*questions[:3], *questions]:
        for name, score in ways.items():
            begins = time.perf_counter()
            score(question)
            times[name].append(1000 * (time.perf_counter() - begins))
    print(f"{describe_hardware()}, {given.threads} threads, {len(questions)} questions")
    for name, each in times.items():
        each = each[3:]
        p95 = statistics.quantiles(each, n=20)[-1]
        print(f"{name:30} p50 {statistics.median(each):7.1f} ms   p95 {p95:7.1f} ms")


if __name__ == "__main__":
    main()
