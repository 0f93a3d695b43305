"""`--engine ray` and its options: where the cluster is, and what each worker takes."""

import contextlib
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

import click
from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table

from mcqa.cli.common import err, print_table, progress, say
from mcqa.cli.inputs import POSITIVE, gathering, option
from mcqa.evaluation import numbers
from mcqa.scoring.remote.names import is_remote

SECONDS_BETWEEN_LINES = 30


@dataclass(frozen=True)
class Ray:
    """Say whether and how to score on a Ray cluster."""

    engine: str = option(
        "ray: on a Ray cluster, with files as DATA and a folder as OUTPUT.",
        ["local", "ray"],
        default="local",
    )
    ray_address: str = option("ray: local, auto, an address, or ray://HOST:PORT.", default="local")
    workers: int = option("ray: how many score at once.", POSITIVE, default=1)
    gpus_per_worker: float = option("ray: of each.", click.FloatRange(0), default=0)
    cpus_per_worker: float = option("ray: of each.", click.FloatRange(0), default=1)

    def wanted(self, *models: str, **others) -> bool:
        """Return whether to; UsageError where a model or an option does not go with it."""
        if self.engine == "ray" and any(map(is_remote, models)):
            raise click.UsageError("a server is asked from one process: leave out --engine ray.")
        given = [name.replace("_", "-") for name, value in others.items() if value is not None]
        if self.engine == "ray" and given:
            raise click.UsageError(
                f"--engine ray scores all of its files in parts: leave out --{given[0]}."
            )
        return self.engine == "ray"

    def score(self, model, data, reading, scoring, output, *, block, overwrite) -> dict:
        """Score DATA into the folder OUTPUT and return what to print."""
        spec = model, scoring.scorer
        manifest, seconds = self._score(spec, data, reading, scoring, output, block, overwrite)
        say(f"Predictions: {output}")
        if rejected := manifest["rejected"]:
            say(f"Rejected rows: {rejected:,}, in {output}/rejected")
        return {
            **_summary(manifest["kinds"]),
            "tokens_per_question": manifest["tokens"] / manifest["n"] if manifest["n"] else None,
            "seconds": seconds,
            "questions_per_second": manifest["n"] / seconds,
            "rejected": rejected,
            "skipped": manifest["skipped"],
        }

    def evaluate(self, models, data, reading, scoring, output, *, overwrite) -> dict:
        """Score DATA with each model into a folder in OUTPUT, compare, and return what to print."""
        from mcqa.evaluating.evaluate import ModelSpec, distinct_names, folder_name
        from mcqa.evaluating.on_parts import evaluate_parts
        from mcqa.evaluation.tally import TALLIED
        from mcqa.scoring.parts import Place
        from mcqa.system.cluster import cluster

        specs = [ModelSpec.parse(text, scoring.scorer) for text in models]
        names, told = distinct_names(specs), []
        places = {name: f"{output}/{folder_name(name)}" for name in names}
        with cluster(self.ray_address, say):
            for spec, (name, place) in zip(specs, places.items(), strict=True):
                how = data, reading, scoring, place, None, overwrite
                manifest, seconds = self._score(spec, *how, kinds=TALLIED)
                told.append({"name": name, "folder": place, "seconds": seconds})
                told[-1]["questions_per_second"] = manifest["n"] / seconds
            folders = {name: Place.of(place) for name, place in places.items()}
            metrics, comparisons = evaluate_parts(folders, Place.of(output))
        say(f"Results: {output}")
        rows = [{**row, "metrics": metrics[row["name"]]} for row in told]
        return {"models": rows, "comparisons": comparisons}

    def _score(
        self, spec, data, reading, scoring, output, block, overwrite, **more
    ) -> tuple[dict, float]:
        from mcqa.scoring.ray_job import BLOCK, score_on_ray
        from mcqa.system.cluster import Machines

        model, scorer = spec
        how = scoring.settings([(model, scorer)], reading)
        how |= {"scorer": scorer, "batch_size": scoring.batch_size}
        how["model"] = str(Path(model).absolute()) if Path(model).exists() else model
        settings = {k: v for k, v in reading.settings().items() if k not in ("split", "limit")}
        started = time.perf_counter()
        with _progress(model) as on_progress:
            manifest = score_on_ray(
                how,
                data,
                output,
                reading=settings,
                block=block or BLOCK,
                address=self.ray_address,
                machines=Machines(self.workers, self.gpus_per_worker, self.cpus_per_worker),
                overwrite=overwrite,
                announce=say,
                on_progress=on_progress,
                **more,
            )
        return manifest, time.perf_counter() - started


def _summary(kinds: Mapping[str, Mapping[str, int]]) -> dict:
    """Return of counts what `mcqa.evaluation.metrics.summarize` says first."""
    from mcqa.evaluation.metrics import wilson_interval
    from mcqa.evaluation.sets import are_plain

    def summary(several: Collection[Mapping[str, int]], *, known: bool = True) -> dict:
        every, n, right = (sum(c[name] for c in several) for name in ("n", "labelled", "right"))
        known = known and n > 0
        return {
            "n": n,
            "accuracy": right / n if known else None,
            "accuracy_ci95": wilson_interval(right, n) if known else None,
            "unlabelled": every - n,
        }

    total = summary(kinds.values(), known=len(kinds) == 1)
    by_kind = {kind: summary([counts]) for kind, counts in kinds.items()}
    return total if are_plain(kinds) else total | {"kinds": by_kind}


def print_on_ray(result: dict) -> None:
    """Print what `Ray.evaluate` returns: a row per model, and every comparison's verdict."""
    table = Table("", "accuracy (95%)", "n", "questions/s", box=SIMPLE_HEAD)
    for row in result["models"]:
        metrics = row["metrics"]
        accuracy = numbers.format_accuracy(metrics["accuracy"], metrics["accuracy_ci95"])
        rate = numbers.format_rate(row["questions_per_second"])
        table.add_row(escape(row["name"]), accuracy, str(metrics["n"]), rate)
    print_table(table)
    for comparison in result["comparisons"]:
        click.echo(comparison["verdict"])


@contextlib.contextmanager
def _progress(label: str):
    """Show a live bar, or where there is no terminal a line now and then."""
    told = time.monotonic()
    with progress(None, label) as advance:

        def on_progress(more: int, pace) -> None:
            nonlocal told
            advance(more, pace.speed, total=pace.total)
            if not err.is_terminal and time.monotonic() - told >= SECONDS_BETWEEN_LINES:
                say(f"{label}: {pace}")
                told = time.monotonic()

        yield on_progress


ray_options = gathering(Ray)
