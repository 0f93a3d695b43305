"""What does it save that questions share what they have in common?

    python benchmarks/trees.py --data data/medmcqa_dev.jsonl

Three comparisons, in bfloat16, in turns in one process, after one batch that is not timed:

    text, letter    questions behind five fixed worked examples (`--shots-order fixed`), which run
                    once for all, against once for each question, and lm-evaluation-harness with
                    the same prompts where it is installed (`pip install 'mcqa[bench]'`)
    passage         four questions on one passage of about 350 tokens: in one tree, against a tree
                    for each; passages are made of the data's explanations

`letter` scores with template `lettered`, the others with `cloze`. Scores are compared too: in
float32, the largest difference between an option's scores of the two ways.
"""

import argparse
import contextlib
import importlib.util
import json
import logging
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest import mock

import torch
from harness import TimedModel, harness_task, run_harness

import mcqa
from heads.branching import pack
from mcqa.formulations import layout
from mcqa.prompting.encoding import BETWEEN_SHOTS
from mcqa.prompting.prompts import Shots, Template, get_template
from mcqa.question import Question
from mcqa.scoring.scorer import Scorer

SHOTS, ON_A_PASSAGE, PASSAGE_TOKENS = 5, 4, 350
TEMPLATES = {"text": "cloze", "letter": "lettered"}


@contextlib.contextmanager
def apart(scorer: Scorer):
    """Let a scorer compute every question by itself, each in a tree of its own."""

    def alone(prefixes, continuations, known=0):
        return pack(prefixes, continuations)

    with (
        mock.patch.object(layout, "pack_shared", alone),
        mock.patch.object(scorer.encoder, "shared", tuple),
    ):
        yield


def timed(call: Callable, n: int) -> float:
    """Return how many of n questions a call scores in a second."""
    started = time.perf_counter()
    call()
    return n / (time.perf_counter() - started)


def compare(ways: dict[str, Callable[[], float]], repeats: int) -> dict:
    """Return questions a second of each way, and how many times the last one's the first is."""
    rates = {name: [] for name in ways}
    for _ in range(repeats):
        for name, rate in ways.items():
            rates[name].append(rate())
    first, *others = rates
    ratios = {
        name: [a / b for a, b in zip(rates[first], rates[name], strict=True)] for name in others
    }
    return {
        "questions_per_second": {name: statistics.median(values) for name, values in rates.items()},
        "turns": rates,
        "times": {name: statistics.median(values) for name, values in ratios.items()},
        "times_by_turn": ratios,
    }


def largest_difference(scorer: Scorer, questions: Sequence[Question], batch_size: int) -> float:
    """Return how far apart, in nats, both ways' scores are at most."""
    shared = scorer.score_many(questions, batch_size)
    with apart(scorer):
        alone = scorer.score_many(questions, batch_size)
    return max(
        abs(a - b)
        for one, other in zip(shared, alone, strict=True)
        for a, b in zip(one.scores, other.scores, strict=True)
    )


def with_examples(template: Template, examples: Sequence[Question]) -> Template:
    """Return a template that writes worked examples before each question, as `Encoder` does."""
    rendered = [template.render(example) for example in examples]
    pairs = zip(rendered, examples, strict=True)
    answered = [r.prefix + r.continuations[e.label] + BETWEEN_SHOTS for r, e in pairs]
    before = "".join(answered)
    return replace(template, prefix=lambda question: before + template.prefix(question))


def measure(arguments, name: str, questions: Sequence[Question], shots: Shots | None) -> dict:
    """Compare the ways of scoring questions by `text` or `letter`."""
    how = {"template": TEMPLATES[name], "shots": shots, "device": arguments.device}
    exact = mcqa.load_scorer(arguments.model, name, dtype="float32", **how)
    few = questions[: arguments.batch_size]
    difference = largest_difference(exact, few, arguments.batch_size)
    scorer, n = mcqa.load_scorer(arguments.model, name, dtype="bfloat16", **how), len(questions)

    def shared() -> float:
        return timed(lambda: scorer.score_many(questions, arguments.batch_size), n)

    def alone() -> float:
        with apart(scorer):
            return shared()

    encoded = scorer.encoder.encode(questions)
    ways = {"shared": shared, "apart": alone}
    scorer.score_many(few, arguments.batch_size)
    with TemporaryDirectory() as folder:
        if shots and importlib.util.find_spec("lm_eval"):
            lm = TimedModel(scorer.model, scorer.tokenizer, arguments.batch_size)
            template = with_examples(get_template(TEMPLATES[name]), shots.draw(questions[0]))
            task = harness_task(questions, template, Path(folder), letters=name == "letter")

            def harness() -> float:
                run_harness(lm, task)
                return n / lm.seconds

            ways["harness"] = harness
        result = compare(ways, arguments.repeats)
    return {
        "n": n,
        "kept_tokens": len(scorer.encoder.shared()),
        "mean_prompt_tokens": statistics.fmean(len(one.prompt) for one in encoded),
        "largest_difference_nats": difference,
        **result,
    }


def on_passages(arguments, questions: Sequence[Question]) -> list[Question]:
    """Return questions, four on each passage, which is about `PASSAGE_TOKENS` tokens long."""
    tokenizer = mcqa.load_scorer(arguments.model, "text", device=arguments.device).tokenizer
    text = " ".join(question.explanation for question in questions if question.explanation)
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    made = []
    for number, question in enumerate(questions):
        start = number // ON_A_PASSAGE * PASSAGE_TOKENS
        if start + PASSAGE_TOKENS > len(ids):
            break
        passage = tokenizer.decode(ids[start : start + PASSAGE_TOKENS])
        made.append(replace(question, context=passage))
    return made[: len(made) // ON_A_PASSAGE * ON_A_PASSAGE]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True)
    parser.add_argument("--model", default="smollm2-135m")
    parser.add_argument("--limit", type=int, default=64)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--only", choices=("text", "letter", "passage"))
    arguments = parser.parse_args()
    logging.disable(logging.WARNING)
    loaded = list(mcqa.load_questions(arguments.data, limit=arguments.limit + SHOTS + 1))
    questions, pool = loaded[: arguments.limit], tuple(loaded[arguments.limit :])
    questions = [replace(question, context=None) for question in questions]
    result = {"data": arguments.data, "threads": torch.get_num_threads()}
    for name in TEMPLATES:
        if arguments.only in (None, name):
            result[name] = measure(arguments, name, questions, Shots(pool, SHOTS, order="fixed"))
    if arguments.only in (None, "passage"):
        result["passage"] = measure(arguments, "text", on_passages(arguments, questions), None)
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
