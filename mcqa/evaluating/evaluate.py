"""Score the same questions with one or more models."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from mcqa.data.digests import digest_questions
from mcqa.evaluating.folder import PREDICTIONS, Evaluation, Validation, write_answers
from mcqa.evaluating.validation import UNSCORED, own_validation
from mcqa.evaluation.metrics import summarize
from mcqa.formulations import NAMES, get_formulation
from mcqa.question import Question
from mcqa.runs.questions_seen import read_seen
from mcqa.scoring.loading import load_scorer, look_up
from mcqa.scoring.orders import Plan
from mcqa.scoring.partial import Partial, describe_work, partial_path
from mcqa.scoring.scoring_run import encode_timed, score_orders
from mcqa.system import processes

COST = {  # what a run cost, and its name in `run.json`
    "trainable_parameters": "trainable_parameters",
    "training_seconds": "seconds",
    "training_memory_bytes": "peak_memory_bytes",
    "adapter_bytes": "adapter_bytes",
}


SETTINGS = ("base_model", "quantization", "dtype", "recipe", "learning_rate", "n", "seed")


class ModelSpec(NamedTuple):
    """Name a model and, where wanted, the scorer to use with it."""

    model: str
    scorer: str | None = None

    @classmethod
    def parse(cls, text: str, scorer: str | None = None) -> "ModelSpec":
        """Read `MODEL` or `MODEL:SCORER`; `scorer` is used where the text names none."""
        model, colon, named = text.rpartition(":")
        if colon and any(named in get_formulation(name).SCORERS for name in NAMES):
            return cls(model, named)
        return cls(text, scorer)


def evaluate(
    spec: ModelSpec,
    name: str,
    questions: Sequence[Question],
    folder: Path,
    *,
    batch_size: int = 16,
    on_progress: Callable[[int], None] | None = None,
    announce: Callable[[str], None] = lambda line: None,
    overwrite: bool = False,
    plan: Plan | None = None,
    validation_questions: Sequence[Question] = (),
    validation_note: str = "",
    **settings,
) -> Evaluation:
    """Score questions with one model, and write what it answers to a folder.

    Answers that an interrupted call kept are taken over; `mcqa.evaluating.output.finish` removes
    what is kept. Of several processes, all must call it and the main one writes.

    Args:
        batch_size, on_progress: see `Scorer.score_many`.
        announce, overwrite: see `mcqa.scoring.partial.Partial`.
        plan: the orders of the options to score; None for their own alone.
        validation_questions: what to score besides, neither timed nor counted, and in words where
            they are from; without any a run's own take their place.
        settings: of `mcqa.load_scorer`; those that do not apply to this model are left out.
    """
    found, passages = look_up(spec.model, spec.scorer), settings.get("index") is not None
    unused = () if spec.scorer == "generate" else ("parser", "fallback")
    if found.context(settings.get("context"), passages=passages) != "retrieved":
        unused += ("index", "top_k")
    settings = {name: value for name, value in settings.items() if name not in unused}
    asked = [*questions, *validation_questions]
    scorer = load_scorer(spec.model, spec.scorer, held_out=asked, **settings)
    encoded, encoding = encode_timed(scorer, questions)
    besides = {"validation": digest_questions(validation_questions)}
    besides["permutations"] = plan and f"{plan.kind}, seed {plan.seed}"
    work = describe_work(scorer, encoded, batch_size, **besides)
    path, orders = partial_path(folder / PREDICTIONS), None
    answers = Partial(path, work, scorer, overwrite=overwrite, announce=announce)
    with answers as partial, scorer.keeping():
        part = partial.part("questions")
        predictions = scorer.score_encoded(encoded, batch_size, on_progress, part)
        metrics = summarize(predictions, encoding + part.seconds, part.peak_memory_bytes)
        if not any(prediction.scores for prediction in predictions):
            validation = Validation([], UNSCORED)
        elif validation_questions:
            held_out, _ = encode_timed(scorer, validation_questions)
            how = batch_size, on_progress, partial.part("validation")
            validation = Validation(scorer.score_encoded(held_out, *how), validation_note)
        else:
            validation = own_validation(spec.model, scorer, questions, predictions)
        if plan:
            how = batch_size, on_progress, partial.part
            orders = score_orders(scorer, questions, predictions, plan, *how)
    cost = {ours: found.record.get(theirs) for ours, theirs in COST.items()}
    cost = cost if found.record else None
    about = name, folder, scorer.name, scorer.template
    more = {"context": work["context"], "commit": found.commit, "work": work}
    more["trained_on"] = trained_on(spec.model, questions)
    more["settings"] = _settings(found.record)
    evaluation = Evaluation(*about, predictions, metrics, cost, validation, orders, **more)
    if processes.is_main():
        write_answers(evaluation)
    return evaluation


def _settings(record: dict | None) -> dict | None:
    """Return what a page tells of how a run was trained, None of a model that is none."""
    if not record:
        return None
    known = record.get("settings", {}) | record
    known["n"] = (record.get("train") or {}).get("used")
    return {name: known.get(name) for name in SETTINGS}


def trained_on(model: str, questions: Sequence[Question]) -> dict[str, list[str]] | None:
    """Return the ids of the questions that a run was trained on, as `Seen.find` does.

    None of a model that is no run, and of runs that kept no digests: it is not known then.
    """
    seen = read_seen(Path(model))
    return seen and seen["trained"].find(questions)


def distinct_names(specs: Sequence[ModelSpec]) -> list[str]:
    """Return a short name per model: the last part of its path, with more where that repeats.

    >>> distinct_names([ModelSpec("runs/a/head"), ModelSpec("smollm2-135m", "text")])
    ['head', 'smollm2-135m text']
    """
    paths = [Path(spec.model) for spec in specs]
    paths = [path if path.name not in ("", "..") else path.resolve() for path in paths]
    scorers = [f" {spec.scorer}" if spec.scorer else "" for spec in specs]
    names = [path.name + scorer for path, scorer in zip(paths, scorers, strict=True)]
    if len(set(map(folder_name, names))) < len(names):
        whole = ["-".join(path.parts).strip("-/.") for path in paths]
        names = [name + scorer for name, scorer in zip(whole, scorers, strict=True)]
    taken = [folder_name(name) for name in names]
    return [f"{n} {i + 1}" if taken[i] in taken[:i] else n for i, n in enumerate(names)]


def folder_name(name: str) -> str:
    """Return the folder that a model of this name is written to."""
    return name.replace(" ", "-").replace("/", "-")
