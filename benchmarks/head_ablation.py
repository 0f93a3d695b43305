"""Which head, loss and start are best on CommonsenseQA?

    python benchmarks/head_ablation.py --data csqa_train.jsonl --dev csqa_dev.jsonl

Every cell is a QLoRA run of `mcqa train multiple-choice` on the first 1,500 training questions and
a score on all dev questions. A finished cell is one line of `--output`; started again, the script
goes on with what is missing. Cells nearest to the default recipe come first, so stopping early
leaves the most telling part; `--only-one-change` leaves out the rest. `--table` prints the table
of what is there.
"""

import argparse
import functools
import itertools
import tempfile
from pathlib import Path

from cells import read_cells, run_cells

HEADS = {
    "last": {},
    "mean": {"pooling": "mean"},
    "attention": {"pooling": "attention"},
    "last + interaction": {"interaction": "attention"},
}
LOSSES = {
    "cross-entropy": {},
    "cross-entropy, smoothed 0.1": {"label_smoothing": 0.1},
    "cross-entropy + 0.5 LM": {"lm_loss_weight": 0.5},
    "binary": {"loss": "binary"},
    "margin": {"loss": "margin"},
    "listwise": {"loss": "listwise"},
}
STARTS = {
    "zero": {},
    "normal": {"head_init": "normal"},
    "Yes - No": {"head_init": "words", "head_words": (" Yes", " No")},
}


def main() -> None:
    """Run the missing cells, then print the table."""
    options = parse()
    output = Path(options.output)
    done = read_cells(output, ("head", "loss", "start", "seed"))
    if not options.table:
        run_cells(output, plan(options), done, functools.partial(run_cell, options))
    print_table(done)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", help="training questions")
    parser.add_argument("--dev", help="questions to score")
    parser.add_argument("--output", default="head_ablation.jsonl", help="one line per cell")
    parser.add_argument("--model", default="smollm2-135m")
    parser.add_argument("--limit", type=int, default=1500, help="training questions")
    parser.add_argument("--dev-limit", type=int, help="use only the first N dev questions")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--heads", nargs="+", choices=HEADS, default=list(HEADS))
    parser.add_argument("--losses", nargs="+", choices=LOSSES, default=list(LOSSES))
    parser.add_argument("--starts", nargs="+", choices=STARTS, default=list(STARTS))
    parser.add_argument("--only-one-change", action="store_true", help="from the default recipe")
    parser.add_argument("--table", action="store_true", help="run nothing")
    options = parser.parse_args()
    if not options.table and not (options.data and options.dev):
        parser.error("--data and --dev are needed, or --table")
    return options


def plan(options: argparse.Namespace) -> list[tuple]:
    """Return the cells (head, loss, start, seed), nearest to the default recipe first."""

    def changes(cell):
        return sum(name != next(iter(of)) for name, of in zip(cell, KINDS, strict=False))

    cells = itertools.product(options.heads, options.losses, options.starts, options.seeds)
    most = 1 if options.only_one_change else 3
    return sorted((cell for cell in cells if changes(cell) <= most), key=changes)


KINDS = (HEADS, LOSSES, STARTS)


def run_cell(options: argparse.Namespace, head: str, loss: str, start: str, seed: int) -> dict:
    """Train and score one cell."""
    from mcqa.data import load_questions
    from mcqa.evaluation.metrics import summarize
    from mcqa.scoring.loading import load_scorer
    from mcqa.training.config import TrainingConfig
    from mcqa.training.run import train

    with tempfile.TemporaryDirectory() as folder:
        config = TrainingConfig(
            model=options.model,
            data=options.data,
            limit=options.limit,
            output=f"{folder}/run",
            seed=seed,
            **HEADS[head],
            **LOSSES[loss],
            **STARTS[start],
        )
        record = train("multiple_choice", config, announce=lambda line: None)
        questions = load_questions(options.dev, limit=options.dev_limit)
        metrics = summarize(load_scorer(config.output).score_many(questions, batch_size=32))
    return {
        "head": head,
        "loss": loss,
        "start": start,
        "seed": seed,
        "n": metrics["n"],
        "accuracy": metrics["accuracy"],
        "accuracy_ci95": metrics["accuracy_ci95"],
        "seconds": record["seconds"],
        "trainable_parameters": record["trainable_parameters"],
    }


def print_table(done: dict[tuple, dict]) -> None:
    """Print a row per recipe: seeds apart, and pooled with Wilson's 95% interval, best first.

    The seeds share their dev questions, so the pooled interval is that of one dev set at the
    mean accuracy, not of twice as many questions.
    """
    from mcqa.evaluation.metrics import wilson_interval

    rows = []
    for recipe, cells in itertools.groupby(sorted(done), key=lambda cell: cell[:3]):
        results = [done[cell] for cell in cells]
        n = results[0]["n"]
        mean = sum(result["accuracy"] for result in results) / len(results)
        low, high = wilson_interval(round(mean * n), n)
        seeds = ", ".join(f"{result['accuracy']:.1%}" for result in results)
        rows.append(
            (mean, f"| {' | '.join(recipe)} | {mean:.1%} ({low:.1%} to {high:.1%}) | {seeds} |")
        )
    print("| head | loss | start | accuracy (95%) | by seed |\n|---|---|---|---|---|")
    for _, row in sorted(rows, reverse=True):
        print(row)


if __name__ == "__main__":
    main()
