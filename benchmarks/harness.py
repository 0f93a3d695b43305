"""Are the scores lm-evaluation-harness's, and how much faster are they computed?

    pip install 'mcqa[bench]'
    python benchmarks/harness.py --data data/commonsenseqa_dev.jsonl --template cloze
    python benchmarks/harness.py --data data/medmcqa_dev.jsonl --template lettered

The harness runs a real `multiple_choice` task on the same questions, prompts and model object.
Parity is checked in float32: every option's log-likelihood, acc and acc_norm. Speed is compared in
bfloat16 at the same batch size, in turns, harness first, and the median of the ratios counts; the
harness is timed inside its model only, which leaves out its making of tasks and tables. The harness
moves the white space at the end of a context to the continuation, so parity is checked on prompts
split that way (`resplit`); this shifts all options of a question alike.
"""

import argparse
import json
import logging
import statistics
import time
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

import mcqa
from mcqa.prompting.prompts import TEMPLATES, Template, get_template
from mcqa.question import Question

PARITY_NATS = 1e-3


def resplit(template: Template) -> Template:
    """Return a template whose prefix gives the white space at its end to the continuations."""

    def space(question: Question) -> str:
        prefix = template.prefix(question)
        return prefix[len(prefix.rstrip()) :]

    example = Question(stem="?", options=("a", "b"))
    moved = space(example)
    return replace(
        template,
        prefix=lambda question: template.prefix(question).rstrip(),
        continuation=lambda letter, option: moved + template.continuation(letter, option),
    )


def harness_task(questions, template: Template, folder: Path, letters: bool = False) -> dict:
    """Return a `multiple_choice` task of the harness over the questions, read from a file."""
    path = folder / "task.jsonl"
    with path.open("w") as file:
        for question in questions:
            rendered = template.render(question)
            choices = list(question.letters) if letters else list(rendered.continuations)
            row = {
                "context": rendered.prefix,
                "choices": [choice.strip() for choice in choices],
                "gold": question.label,
            }
            file.write(json.dumps(row) + "\n")
    delimiter = " " if template.name == "cloze" else ""
    return {
        "task": "same_questions",
        "dataset_path": "json",
        "dataset_kwargs": {"data_files": {"test": str(path)}},
        "test_split": "test",
        "output_type": "multiple_choice",
        "doc_to_text": "{{context}}",
        "doc_to_choice": "{{choices}}",
        "doc_to_target": "{{gold}}",
        "target_delimiter": delimiter,
        "metric_list": [{"metric": "acc"}, {"metric": "acc_norm"}],
    }


class TimedModel:
    """A harness model that knows how long its log-likelihoods took."""

    def __init__(self, model, tokenizer, batch_size: int):
        from lm_eval.models.huggingface import HFLM

        self.lm = HFLM(pretrained=model, tokenizer=tokenizer, batch_size=batch_size)
        self.seconds = 0.0
        measured = self.lm.loglikelihood

        def loglikelihood(requests, disable_tqdm=True):
            started = time.perf_counter()
            result = measured(requests, disable_tqdm=True)
            self.seconds = time.perf_counter() - started
            return result

        self.lm.loglikelihood = loglikelihood


def run_harness(lm: TimedModel, task: dict) -> tuple[dict, list[list[float]]]:
    """Return the harness's metrics and every option's log-likelihood, in the questions' order."""
    import lm_eval
    from lm_eval.tasks import TaskManager

    none_of_its_own = TaskManager(include_defaults=False)  # it would read 13,000 files of them
    results = lm_eval.simple_evaluate(
        lm.lm, tasks=[task], bootstrap_iters=0, verbosity="ERROR", task_manager=none_of_its_own
    )
    samples = sorted(results["samples"]["same_questions"], key=lambda sample: sample["doc_id"])
    scores = [[response[0] for response in sample["filtered_resps"]] for sample in samples]
    metrics = results["results"]["same_questions"]
    return {name: metrics[f"{name},none"] for name in ("acc", "acc_norm")}, scores


def load(arguments, scorer: str, dtype: str, template: Template | None = None):
    made = mcqa.load_scorer(
        arguments.model, scorer, template=arguments.template, dtype=dtype, device=arguments.device
    )
    if template is not None:
        made.encoder.template = template
    return made


def check_parity(arguments, questions, folder: Path) -> dict:
    """Compare log-likelihoods, acc and acc_norm in float32."""
    template = resplit(get_template(arguments.template))
    text = load(arguments, "text", "float32", template)
    ours = [p.scores for p in text.score_many(questions, arguments.batch_size)]
    per_character = load(arguments, "text-char", "float32", template)
    lm = TimedModel(text.model, text.tokenizer, arguments.batch_size)
    task = harness_task(questions, get_template(arguments.template), folder)
    theirs, scores = run_harness(lm, task)
    gap = max(
        abs(a - b)
        for mine, other in zip(ours, scores, strict=True)
        for a, b in zip(mine, other, strict=True)
    )
    right = {
        "acc": [p.correct for p in text.score_many(questions, arguments.batch_size)],
        "acc_norm": [p.correct for p in per_character.score_many(questions, arguments.batch_size)],
    }
    mine = {name: statistics.fmean(values) for name, values in right.items()}
    return {
        "options": sum(map(len, ours)),
        "largest_difference_nats": gap,
        "mcqa": mine,
        "harness": theirs,
        "same": gap <= PARITY_NATS and all(abs(mine[n] - theirs[n]) < 1e-9 for n in mine),
    }


def compare_speed(arguments, questions, folder: Path, scorer: str) -> dict:
    """Time both in turns, in bfloat16."""
    ours = load(arguments, scorer, "bfloat16")
    lm = TimedModel(ours.model, ours.tokenizer, arguments.batch_size)
    task = harness_task(
        questions, get_template(arguments.template), folder, letters=scorer == "letter"
    )
    rates = {"mcqa": [], "harness": []}
    ours.score_many(questions[: arguments.batch_size], arguments.batch_size)
    for _ in range(arguments.repeats):
        run_harness(lm, task)
        rates["harness"].append(len(questions) / lm.seconds)
        started = time.perf_counter()
        ours.score_many(questions, arguments.batch_size)
        rates["mcqa"].append(len(questions) / (time.perf_counter() - started))
    ratios = [a / b for a, b in zip(rates["mcqa"], rates["harness"], strict=True)]
    medians = {name: statistics.median(values) for name, values in rates.items()}
    return {"questions_per_second": medians, "ratio": statistics.median(ratios), "ratios": ratios}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True)
    parser.add_argument("--template", required=True, choices=list(TEMPLATES))
    parser.add_argument("--model", default="smollm2-135m")
    parser.add_argument("--limit", type=int, default=300)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--device", default="auto")
    arguments = parser.parse_args()
    logging.disable(logging.WARNING)
    questions = mcqa.load_questions(arguments.data, limit=arguments.limit)
    result = {
        "data": arguments.data,
        "template": arguments.template,
        "n": len(questions),
        "batch_size": arguments.batch_size,
        "threads": torch.get_num_threads(),
    }
    with TemporaryDirectory() as folder:
        result["parity"] = check_parity(arguments, questions, Path(folder))
        result["text"] = compare_speed(arguments, questions, Path(folder), "text")
        if get_template(arguments.template).lists_options:
            result["letter"] = compare_speed(arguments, questions, Path(folder), "letter")
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
