"""What tuning made a model forget: a run and its base on questions that it was not tuned for.

A question that only the base gets right is forgotten, one that only the run does is gained.

The trap: a base has no multiple-choice head and is scored by the likelihood of the options' texts
then. The difference holds that of two ways of scoring too, which is said wherever the result is.
"""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from heads.encoder import is_encoder
from mcqa.errors import ConfigError, DataError
from mcqa.evaluating.evaluate import ModelSpec, distinct_names, evaluate, folder_name
from mcqa.evaluating.folder import FORGOTTEN, GAINED, RETENTION, Evaluation, Record, write_record
from mcqa.evaluating.output import begin, finish
from mcqa.evaluating.results import write_results
from mcqa.evaluation.metrics import wilson_interval
from mcqa.evaluation.significance import holm, mcnemar
from mcqa.models.backbones import model_config
from mcqa.models.sharing import shares_base
from mcqa.prediction import Prediction
from mcqa.question import Question
from mcqa.scoring.loading import load_scorer, look_up
from mcqa.system.files import write_json, write_rows


def base_and_run(
    run: str, scorer: str | None = None, base_scorer: str | None = None, **settings
) -> tuple[list[ModelSpec], dict]:
    """Return the base that a run was tuned from and the run, and how to score both alike.

    Args:
        run, scorer: a run folder, and how to score it; by default as it was trained.
        base_scorer: by default the run's, `text-mean` where the base has no head.
        settings: for `mcqa.load_scorer`; the run's are taken where they are None.

    Raises:
        ConfigError: `run` is no run, its base is an encoder, or a scorer does not go with it.
    """
    found = look_up(run, scorer)
    if not found.record:
        raise ConfigError(
            f"{run!r} is not a run folder; only a run has a base that it can have forgotten "
            "something of. `mcqa evaluate` compares any models."
        )
    base = found.base
    if is_encoder(model_config(base.path)):
        raise ConfigError(
            f"{run}: its base {base.name!r} is an encoder, which answers nothing without the "
            "head that was trained on it; there is nothing to compare with."
        )
    if base_scorer is None:
        plain = look_up(base.name)
        same = found.scorer in plain.formulation.available_scorers(plain.head)
        base_scorer = found.scorer if same else plain.scorer
    base_scorer = look_up(base.name, base_scorer).scorer
    names = ("template", "quantization", "dtype", "max_length")
    own, context = {name: found.record[name] for name in names}, found.record.get("context", {})
    own |= {"context": context.get("kind", "data"), "top_k": context.get("top_k")}
    settings |= {name: settings.get(name) or value for name, value in own.items()}
    return [ModelSpec(base.name, base_scorer), ModelSpec(run, found.scorer)], settings


def note_on(specs: Sequence[ModelSpec]) -> str | None:
    """Return what must be said of a base and its run, None where both are scored alike."""
    base, run = (spec.scorer for spec in specs)
    if base == run:
        return None
    return (
        f"The run is scored with {run}, its base with {base}: the difference is that of the two "
        "ways of scoring too, not of what was forgotten alone."
    )


def check_retention(
    specs: Sequence[ModelSpec],
    questions: Sequence[Question],
    folder: Path,
    about: dict,
    *,
    overwrite: bool = False,
    **settings,
) -> tuple[list[Evaluation], dict]:
    """Score the same questions with base and run, and write the evaluation and what was forgotten.

    Args:
        specs: from `base_and_run`.
        folder: from `mcqa.evaluating.output.evaluation_folder`.
        about: `details`, `data` and `clusters` of the `Record`.
        settings: with `overwrite`, further arguments of `mcqa.evaluating.evaluate.evaluate`.

    Returns:
        The two evaluations, and what `retention.json` holds (docs/evaluation.md).

    Raises:
        DataError: a question has no label.
    """
    for question in questions:
        if question.label is None:
            raise DataError(
                f"question {question.id!r} has no label, and what was forgotten shows in right "
                "answers alone. Pass --unlabelled skip to leave such questions out."
            )
    names = distinct_names(specs)
    folders = begin(folder, list(map(folder_name, names)), overwrite=overwrite)
    held = None
    if shares_base(look_up(specs[1].model).record):  # its weights stay loaded from one to the other
        ways = {name: settings[name] for name in ("quantization", "dtype", "device")}
        held = load_scorer(*specs[0], **ways)
    evaluations = [
        evaluate(spec, name, questions, place, overwrite=overwrite, **settings)
        for spec, name, place in zip(specs, names, folders, strict=True)
    ]
    del held
    record = Record(
        f"What {names[1]} forgot", evaluations=evaluations, questions=questions, **about
    )
    write_record(folder, record)
    comparisons = write_results(folder, record)
    asked = list(zip(*(e.predictions for e in evaluations), questions, strict=True))
    if "kind" in comparisons[0]:
        kinds = {}
        for comparison in comparisons:
            kind = comparison["kind"]
            own = [row for row in asked if row[-1].kind == kind]
            kinds[kind] = _forgotten(comparison, specs, *zip(*own, strict=True))
        result = {"n": len(questions), "kinds": kinds}
    else:
        result = _forgotten(comparisons[0], specs, *zip(*asked, strict=True))
    result["note"] = note_on(specs)
    base, run = (evaluation.predictions for evaluation in evaluations)
    write_rows(folder / FORGOTTEN, _only(base, run, questions))
    write_rows(folder / GAINED, _only(run, base, questions))
    write_json(folder / RETENTION, result)
    finish(folder, evaluations)
    return evaluations, result


def _forgotten(
    comparison: dict,
    specs: Sequence[ModelSpec],
    base: Sequence[Prediction],
    run: Sequence[Prediction],
    questions: Sequence[Question],
) -> dict:
    """Return what `retention.json` says of questions of one kind."""
    n, known = len(questions), sum(prediction.correct for prediction in base)
    result = {"n": n}
    for key, side, spec in zip(("base", "run"), "ab", specs, strict=True):
        result[key] = comparison[side] | {"model": spec.model, "scorer": spec.scorer}
    kept = ("difference", "difference_ci95", "mcnemar", "clusters", "verdict")
    result |= {name: comparison[name] for name in kept if name in comparison}
    result["forgotten"] = _share(len(_only(base, run, questions)), known)
    result["gained"] = _share(len(_only(run, base, questions)), n - known)
    return result | {"per_subject": _per_subject(base, run, questions)}


def _only(
    right: Sequence[Prediction], wrong: Sequence[Prediction], questions: Sequence[Question]
) -> list[dict]:
    """Return a row for each question that the one gets right and the other does not; no texts."""
    return [
        {"id": r.id, "subject": q.subject, "label": r.label, "chosen_instead": w.choice}
        for r, w, q in zip(right, wrong, questions, strict=True)
        if r.correct and not w.correct
    ]


def _share(count: int, of: int) -> dict:
    interval = wilson_interval(count, of) if of else None
    return {"n": count, "of": of, "share": count / of if of else None, "ci95": interval}


def _per_subject(
    base: Sequence[Prediction], run: Sequence[Prediction], questions: Sequence[Question]
) -> dict[str, dict]:
    groups = defaultdict(list)
    for before, after, question in zip(base, run, questions, strict=True):
        groups[question.subject].append((before.correct, after.correct))
    groups.pop(None, None)
    rows = {}
    for subject, pairs in sorted(groups.items()):
        counts = {
            "n": len(pairs),
            "base": sum(a for a, _ in pairs),
            "run": sum(b for _, b in pairs),
        }
        counts["forgotten"] = sum(a > b for a, b in pairs)
        rows[subject] = counts | {"gained": sum(b > a for a, b in pairs)}
    p_values = [mcnemar(row["forgotten"], row["gained"]) for row in rows.values()]
    for row, p_value, corrected in zip(rows.values(), p_values, holm(p_values), strict=True):
        row |= {"p_value": p_value, "p_value_holm": corrected}
    return rows
