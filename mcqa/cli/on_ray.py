"""`--engine ray` and its options: where the cluster is, and what each worker takes."""

import contextlib
import time
from dataclasses import dataclass
from pathlib import Path

import click

from mcqa.cli.common import err, progress, say
from mcqa.cli.inputs import POSITIVE, gathering, option

SECONDS_BETWEEN_LINES = 30


@dataclass(frozen=True)
class Ray:
    """Say whether and how to score on a Ray cluster."""

    engine: str = option(
        "ray: on a Ray cluster, DATA being a file, folder or pattern, OUTPUT a folder.",
        ["local", "ray"],
        default="local",
    )
    ray_address: str = option("ray: local, auto, an address, or ray://HOST:PORT.", default="local")
    workers: int = option("ray: how many score at once.", POSITIVE, default=1)
    gpus_per_worker: float = option("ray: of each.", click.FloatRange(0), default=0)
    cpus_per_worker: float = option("ray: of each.", click.FloatRange(0), default=1)

    def wanted(self, **others) -> bool:
        """Return whether to; UsageError where an option is given that does not go with it."""
        given = [f"--{name}" for name, value in others.items() if value is not None]
        if self.engine == "ray" and given:
            raise click.UsageError(f"--engine ray scores all of its files: leave out {given[0]}.")
        return self.engine == "ray"

    def score(self, model, data, reading, scoring, output, *, block, overwrite) -> dict:
        """Score DATA into the folder OUTPUT and return what to print."""
        from mcqa.evaluation.metrics import wilson_interval
        from mcqa.scoring.ray_job import BLOCK, score_on_ray
        from mcqa.system.cluster import Machines

        how = scoring.settings([(model, scoring.scorer)], reading)
        how |= {"scorer": scoring.scorer, "batch_size": scoring.batch_size}
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
            )
        seconds = time.perf_counter() - started
        n, right, rejected = (manifest[name] for name in ("labelled", "right", "rejected"))
        say(f"Predictions: {output}")
        if rejected:
            say(f"Rejected rows: {rejected:,}, in {output}/rejected")
        return {
            "n": n,
            "accuracy": right / n if n else None,
            "accuracy_ci95": wilson_interval(right, n) if n else None,
            "unlabelled": manifest["n"] - n,
            "tokens_per_question": manifest["tokens"] / manifest["n"] if manifest["n"] else None,
            "seconds": seconds,
            "questions_per_second": manifest["n"] / seconds,
            "rejected": rejected,
            "skipped": manifest["skipped"],
        }


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
