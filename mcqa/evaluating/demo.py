"""The demo: tune the embedded model both ways on the bundled questions and compare, honestly.

The base is scored with each of its scorers, so that the tuned runs are held against the best that
the untrained model can do. Several questions may ask for the same fact, so the comparison counts
facts, not questions, as independent; and tables of facts, where a question stands on many of one.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

from mcqa.data import BUNDLED_BY_KIND, data_fingerprint, load_questions
from mcqa.evaluating.clusters import clusters_of
from mcqa.evaluating.evaluate import ModelSpec, evaluate
from mcqa.evaluating.folder import Evaluation, Record, write_record
from mcqa.evaluating.output import begin, finish
from mcqa.evaluating.results import write_results
from mcqa.models.embedded import ALIAS
from mcqa.system.files import inside
from mcqa.training.config import TrainingConfig
from mcqa.training.run import train

BASE_SCORERS = ("text", "text-mean", "letter")
INDEPENDENT = {"choice": "about {} facts", "several": "from {} tables", "scale": "about {} things"}


def run_demo(
    folder: Path,
    *,
    kind: str,
    train_questions: int | None,
    seed: int,
    announce: Callable[[str], None],
    progress: Callable[[int, str], AbstractContextManager],
    details: dict[str, str],
) -> tuple[list[Evaluation], list[dict]]:
    """Train both formulations, score them and the base, and write everything to a folder.

    `progress` is called with a total and a label; its context yields the advancing function.
    `kind` is a key of `BUNDLED_BY_KIND`. Returned are the evaluations, tuned first, and the
    comparisons of the two with each other and with the untrained model's scorer that does best on
    these very questions.
    """
    source = BUNDLED_BY_KIND[kind]
    test = load_questions(source, split="test")
    tuned = {}
    for formulation in ("generative", "multiple_choice"):
        run = inside(folder, formulation)
        settings = TrainingConfig(
            output=str(run),
            data=(source,),
            limit=train_questions,
            validation_split="validation",
            steps_between=25,
            seed=seed,
            overwrite=True,
        )
        train(formulation, settings, announce, progress)
        tuned[formulation.replace("_", " ")] = ModelSpec(str(run))
    base = {f"untrained, {scorer}": ModelSpec(ALIAS, scorer) for scorer in BASE_SCORERS}

    announce(f"Scoring {len(test)} test questions, none about a fact that was trained on")
    specs = tuned | base
    places = [f"evaluation/{name.replace(', ', '-').replace(' ', '_')}" for name in specs]
    evaluations = []
    for name, place in zip(specs, begin(folder, places, overwrite=True), strict=True):
        with progress(len(test), name) as on_progress:
            how = {"on_progress": on_progress, "overwrite": True}
            evaluations.append(evaluate(specs[name], name, test, place, **how))
    clusters = clusters_of(test, source=source)
    n, sha256 = len(test), data_fingerprint(source, "test")
    about = INDEPENDENT[kind].format(len(set(clusters.values())))
    said = f"{source}, test split: {n} questions {about}"
    details = {
        "Model": f"{ALIAS}, 4-bit (NF4) while tuned, bfloat16 untrained",
        "Data": f"{said}, sha256 {sha256[:16]}",
        "Seed": str(seed),
        **details,
    }
    best_base = max(evaluations[len(tuned) :], key=lambda e: sum(p.correct for p in e.predictions))
    told = {
        "data": {"source": source, "split": "test", "n": n, "sha256": sha256, "commit": None},
        "compared": [*tuned, best_base.name],
        "clusters": clusters,
    }
    title = "Generation or a classification head?"
    record = Record(title, details, evaluations, test, **told)
    write_record(folder, record)
    comparisons = write_results(folder, record)
    finish(folder, evaluations)
    return evaluations, comparisons
