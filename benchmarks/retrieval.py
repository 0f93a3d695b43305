"""What is a context worth on MedMCQA: none, retrieved or gold, for a base model and a tuned head?

    python benchmarks/retrieval.py --data data/medmcqa_dev.jsonl --folder runs/retrieval

The dev file is split by a hash of each row's id. The explanations of the 80% are the corpus; the
other 20% are the test questions, none of whose explanations can be found. One multiple-choice head
is trained on the first `--train-limit` questions of the 80% with retrieved contexts. Then the base
model and the head answer the test questions with each context, all with one `--max-length`.

A finished cell is one line of `retrieval.jsonl` in the folder; the run and, within a cell, the
answers so far are kept there too, so the script goes on where it was stopped. `--table` prints the
table of what is there. The gold row is an upper bound, for an explanation usually names the answer.
"""

import argparse
import functools
import itertools
from pathlib import Path

from cells import read_cells, run_cells
from hash_split import split

CONTEXTS = ("none", "retrieved", "gold")
KEY = ("model", "context")


def main() -> None:
    """Run the missing cells, then print the table."""
    options = parse()
    folder = Path(options.folder)
    folder.mkdir(parents=True, exist_ok=True)
    cells = folder / "retrieval.jsonl"
    done = read_cells(cells, KEY)
    if not options.table:
        prepare(options, folder)
        plan = list(itertools.product(("base", "head"), CONTEXTS))
        run_cells(cells, plan, done, functools.partial(run_cell, options, folder))
    print_table(done)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", help="MedMCQA's dev file")
    parser.add_argument("--folder", default="runs/retrieval", help="where everything is kept")
    parser.add_argument("--model", default="smollm2-135m")
    parser.add_argument("--train-limit", type=int, default=1000, help="training questions")
    parser.add_argument("--test-limit", type=int, help="use only the first N test questions")
    parser.add_argument("--top-k", type=int, default=3)
    parser.add_argument("--max-length", type=int, default=512, help="tokens of a prompt")
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--table", action="store_true", help="run nothing")
    options = parser.parse_args()
    if not options.table and not options.data:
        parser.error("--data is needed, or --table")
    return options


def prepare(options: argparse.Namespace, folder: Path) -> None:
    """Split the data, and build the index where it is missing."""
    from mcqa.retrieval.index import INDEX, index_corpus

    train, _ = split(options.data, 0.8, folder)
    if not (folder / "index" / INDEX).is_file():
        index, corpus = index_corpus(train)
        index.save(folder / "index")
        print(f"{len(index):,} passages; {', '.join(corpus.remarks)}", flush=True)


def run_cell(options: argparse.Namespace, folder: Path, model: str, context: str) -> dict:
    """Score the test questions, with a head that is trained first where it is missing."""
    from mcqa.data import load_questions
    from mcqa.evaluation.metrics import summarize
    from mcqa.scoring.loading import load_scorer
    from mcqa.scoring.scoring_run import score

    name = options.model if model == "base" else str(trained(options, folder))
    questions = load_questions(folder / "test.jsonl")[: options.test_limit]
    retrieved = context == "retrieved"
    scorer = load_scorer(
        name,
        context=context,
        index=folder / "index" if retrieved else None,
        top_k=options.top_k if retrieved else None,
        held_out=questions,
        max_length=options.max_length,
    )
    output = folder / f"{model}-{context}.jsonl"
    predictions, seconds = score(scorer, questions, output, batch_size=options.batch_size)
    metrics = summarize(predictions, seconds)
    without = [q for q in questions if context == "gold" and not (q.context or q.explanation)]
    without += [p for p in predictions if p.retrieved == ()]
    return {
        "model": model,
        "context": context,
        "scorer": scorer.name,
        "n": metrics["n"],
        "accuracy": metrics["accuracy"],
        "accuracy_ci95": metrics["accuracy_ci95"],
        "cut": metrics["truncated"],
        "without": len(questions) if context == "none" else len(without),
        "seconds": seconds,
    }


def trained(options: argparse.Namespace, folder: Path) -> Path:
    """Return the run with the head, after training it where it is not finished."""
    from mcqa.runs.training_folder import checkpoint_folders
    from mcqa.training.config import TrainingConfig
    from mcqa.training.run import train

    run = folder / "head"
    if not (run / "run.json").exists():
        config = TrainingConfig(
            model=options.model,
            data=str(folder / "train.jsonl"),
            limit=options.train_limit,
            context="retrieved",
            index=str(folder / "index"),
            top_k=options.top_k,
            max_length=options.max_length,
            batch_size=options.batch_size,
            accumulation=max(1, 16 // options.batch_size),
            seed=options.seed,
            output=str(run),
            resume=bool(checkpoint_folders(run)),
        )
        train("multiple_choice", config)
    return run


def print_table(done: dict[tuple, dict]) -> None:
    """Print a row per cell; without: prompts that have no context."""
    from mcqa.evaluation.numbers import format_accuracy

    print("| model | scorer | context | n | accuracy (95%) | cut | without | seconds |")
    print("|---|---|---|---|---|---|---|---|")
    for (model, context), cell in done.items():
        accuracy = format_accuracy(cell["accuracy"], cell["accuracy_ci95"])
        counts = f"{cell['cut']} | {cell['without']} | {cell['seconds']:.0f}"
        print(f"| {model} | {cell['scorer']} | {context} | {cell['n']} | {accuracy} | {counts} |")


if __name__ == "__main__":
    main()
