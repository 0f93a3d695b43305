"""What does each recipe cost, and what does it give?

    python benchmarks/recipes.py --data csqa_train.jsonl --dev csqa_dev.jsonl

Every cell is a run of `mcqa train` with a recipe's defaults and a score on the dev questions, in a
process of its own, so that its peak memory is its own (on a CPU with libraries and weights). A
finished cell is one line of `--output`; started again, the script goes on with what is missing.
`--table` prints the table of what is there. Time is what training took of the processor, so that
other programs change it little; with OMP_NUM_THREADS=1 it does not depend on how threads wait.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from cells import read_cells, run_cells

FORMULATIONS = ("generative", "multiple_choice")


def main() -> None:
    """Run the missing cells, then print the table."""
    options = parse()
    if options.cell:
        print(json.dumps(run_cell(options, *options.cell)))
        return
    output = Path(options.output)
    done = read_cells(output, ("recipe", "formulation"))
    if not options.table:
        cells = [(recipe, form) for recipe in options.recipes for form in options.formulations]
        run_cells(output, cells, done, run_apart)
    print_table(done)


def parse() -> argparse.Namespace:
    from mcqa.models.recipes.table import RECIPES

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", help="training questions")
    parser.add_argument("--dev", help="questions to score")
    parser.add_argument("--output", default="recipes.jsonl", help="one line per cell")
    parser.add_argument("--model", default="smollm2-135m")
    parser.add_argument("--limit", type=int, default=1000, help="training questions")
    parser.add_argument("--dev-limit", type=int, help="use only the first N dev questions")
    parser.add_argument("--max-steps", type=int, help="stop training after N steps")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--recipes", nargs="+", choices=RECIPES, default=list(RECIPES))
    parser.add_argument(
        "--formulations", nargs="+", choices=FORMULATIONS, default=list(FORMULATIONS)
    )
    parser.add_argument("--table", action="store_true", help="run nothing")
    parser.add_argument("--cell", nargs=2, metavar=("RECIPE", "FORMULATION"), help="run this one")
    options = parser.parse_args()
    if not options.table and not (options.data and options.dev):
        parser.error("--data and --dev are needed, or --table")
    return options


def run_apart(*cell: str) -> dict | None:
    """Run one cell in a new process, with this one's options; None where it failed."""
    command = [sys.executable, *sys.argv, "--cell", *cell]
    process = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    return json.loads(process.stdout.splitlines()[-1]) if process.returncode == 0 else None


def run_cell(options: argparse.Namespace, recipe: str, formulation: str) -> dict:
    """Train and score one cell."""
    from mcqa.data import load_questions
    from mcqa.evaluation.metrics import summarize
    from mcqa.scoring.loading import load_scorer
    from mcqa.training.config import TrainingConfig
    from mcqa.training.recipe_table import list_recipes
    from mcqa.training.run import train

    with tempfile.TemporaryDirectory() as folder:
        config = TrainingConfig(
            model=options.model,
            data=options.data,
            limit=options.limit,
            output=f"{folder}/run",
            max_steps=options.max_steps,
            recipe=recipe,
            seed=options.seed,
        )
        started = time.process_time()
        record = train(formulation, config, announce=lambda line: None)
        cpu_seconds = time.process_time() - started
        questions = load_questions(options.dev, limit=options.dev_limit)
        metrics = summarize(load_scorer(config.output).score_many(questions, batch_size=32))
    counted = list_recipes(options.model, formulation)
    return {
        "recipe": recipe,
        "formulation": formulation,
        "quantization": record["quantization"],
        "learning_rate": config.learning_rate,
        "trainable_parameters": record["trainable_parameters"],
        "share": next(row["share"] for row in counted if row["name"] == recipe),
        "n_train": record["train"]["n"],
        "n": metrics["n"],
        "accuracy": metrics["accuracy"],
        "accuracy_ci95": metrics["accuracy_ci95"],
        "cpu_seconds": cpu_seconds,
        "peak_memory_bytes": record["peak_memory_bytes"],
        "adapter_bytes": record["adapter_bytes"],
        "seed": options.seed,
        "device": record["device"],
    }


def print_table(done: dict[tuple, dict]) -> None:
    """Print a row per cell, a recipe's two formulations together."""
    from mcqa.models.recipes.table import RECIPES

    print(
        "| recipe | formulation | backbone | trainable | n | accuracy (95%) | training | memory "
        "| run |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    for recipe in RECIPES:
        for formulation in FORMULATIONS:
            if (recipe, formulation) in done:
                print(row(done[recipe, formulation]))


def row(result: dict) -> str:
    """Return a cell's line of the table."""
    low, high = result["accuracy_ci95"]
    memory = result["peak_memory_bytes"]
    cells = (
        result["recipe"],
        result["formulation"].replace("_", " "),
        result["quantization"],
        f"{result['trainable_parameters']:,} ({result['share']:.3%})",
        f"{result['n']:,}",
        f"{result['accuracy']:.1%} ({low:.1%} to {high:.1%})",
        f"{result['cpu_seconds']:.0f} s",
        "not known" if memory is None else f"{memory / 1e9:.2f} GB",
        f"{result['adapter_bytes'] / 1e6:.2f} MB",
    )
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
