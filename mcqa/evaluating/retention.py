"""What tuning made a model forget: a run and its base on questions that it was not tuned for.

Both answer the same questions, so what counts is each question that only one of them gets right:
forgotten where that is the base, gained where it is the run.

The trap: a run of the multiple-choice formulation answers by a head that its base does not have.
The base is asked by the likelihood of the options' texts then, so that the difference holds that of
two ways of asking too; that is said wherever the result is.
"""

import json
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
from mcqa.models.backbones import load_config
from mcqa.models.sharing import shares_base
from mcqa.prediction import Prediction
from mcqa.question import Question
from mcqa.runs.trained import base_of
from mcqa.scoring.loading import load_scorer, look_up
from mcqa.system.files import write_json, write_whole

Specs = tuple[ModelSpec, ModelSpec]


def base_and_run(
    run: str, scorer: str | None = None, base_scorer: str | None = None, **settings
) -> tuple[Specs, dict]:
    """Return a run behind the base that it was tuned from, and how to ask both alike.

    Args:
        run: a run folder.
        scorer: of the run; by default its own.
        base_scorer: of the base; by default the run's, `text-mean` where the base has no head.
        settings: for `mcqa.load_scorer`; template, quantization, dtype, max_length, context and
            top_k are the run's where they are None.

    Raises:
        ConfigError: `run` is no run, its base is an encoder, or a scorer does not go with it.
        ModelError: the run or its base cannot be read.
    """
    found = look_up(run, scorer)
    if not found.record:
        raise ConfigError(
            f"{run!r} is not a run folder; only a run has a base that it can have forgotten "
            "something of. `mcqa evaluate` compares any models."
        )
    base = base_of(found.reference.path, found.record)
    if is_encoder(load_config(base.path)):
        raise ConfigError(
            f"{run}: its base {base.name!r} is an encoder, which answers nothing without the "
            "head that was trained on it; there is nothing to compare with."
        )
    if base_scorer is None:
        plain = look_up(base.name)
        same = found.scorer in plain.formulation.available_scorers(plain.head)
        base_scorer = found.scorer if same else plain.scorer
    base_scorer = look_up(base.name, base_scorer).scorer
    own = found.record.get("context", {})
    trained = {
        name: found.record[name] for name in ("template", "quantization", "dtype", "max_length")
    }
    trained["context"] = own.get("kind", "data")
    if (settings.get("context") or trained["context"]) == "retrieved":
        trained["top_k"] = own.get("top_k")
    alike = {name: settings.get(name) or value for name, value in trained.items()}
    return (ModelSpec(base.name, base_scorer), ModelSpec(run, found.scorer)), settings | alike


def note_on(specs: Specs) -> str | None:
    """Return what must be said of a base and its run, None where both are asked alike."""
    base, run = (spec.scorer for spec in specs)
    if base == run:
        return None
    return (
        f"The run is asked with {run}, its base with {base}: the difference is that of the two "
        "ways of asking too, not of what was forgotten alone."
    )


def check_retention(
    specs: Specs,
    questions: Sequence[Question],
    folder: Path,
    told: dict,
    *,
    overwrite: bool = False,
    **settings,
) -> tuple[list[Evaluation], dict]:
    """Ask base and run the same questions and write what was forgotten.

    Writes what `mcqa evaluate` writes for two models, and `retention.json`, `forgotten.jsonl` and
    `gained.jsonl`.

    Args:
        specs: from `base_and_run`.
        questions: what to ask, all labelled.
        folder: where to write, see `mcqa.evaluating.output.evaluation_folder`.
        told: `details`, `data` and `clusters` of the `Record`.
        overwrite: see `mcqa.evaluating.output.begin`.
        settings: further arguments of `mcqa.evaluating.evaluate.evaluate`.

    Returns:
        The two evaluations, the base's first, and what `retention.json` holds: `n`; `base` and
        `run` (`name`, `accuracy`, `accuracy_ci95`, `model`, `scorer`); `difference`, run minus
        base, `difference_ci95`, `mcnemar`, `verdict` and, with clusters, `clusters`, as in
        `comparison.json`; `forgotten` and `gained`: `n`, `of` (how many the base had right, or
        wrong), their `share` and its interval `ci95`, None of none; `per_subject`, where a
        question has one: for each `n`, `base` and `run` (how many right), `forgotten`, `gained`,
        and the exact McNemar `p_value` and `p_value_holm`, corrected for the number of subjects;
        and `note`.

    Raises:
        DataError: a question has no label.
    """
    unlabelled = next((question.id for question in questions if question.label is None), None)
    if unlabelled is not None:
        raise DataError(
            f"question {unlabelled!r} has no label, and what was forgotten shows in right answers "
            "alone. Pass --unlabelled skip to leave such questions out."
        )
    names = distinct_names(specs)
    folders = begin(folder, list(map(folder_name, names)), overwrite=overwrite)
    held = _held_base(specs, settings)
    evaluations = [
        evaluate(spec, name, questions, place, overwrite=overwrite, **settings)
        for spec, name, place in zip(specs, names, folders, strict=True)
    ]
    del held
    title = f"What {names[1]} forgot"
    record = Record(title=title, evaluations=evaluations, questions=questions, **told)
    write_record(folder, record)
    (comparison,) = write_results(folder, record)
    base, run = (evaluation.predictions for evaluation in evaluations)
    forgotten, gained = _only(base, run, questions), _only(run, base, questions)
    known = sum(prediction.correct for prediction in base)
    sides = [
        {**comparison[side], "model": spec.model, "scorer": evaluation.scorer}
        for side, spec, evaluation in zip("ab", specs, evaluations, strict=True)
    ]
    kept = ("difference", "difference_ci95", "mcnemar", "clusters", "verdict")
    result = {
        "n": len(questions),
        "base": sides[0],
        "run": sides[1],
        **{name: comparison[name] for name in kept if name in comparison},
        "forgotten": _share(len(forgotten), known),
        "gained": _share(len(gained), len(questions) - known),
        "per_subject": _per_subject(base, run, questions),
        "note": note_on(specs),
    }
    for name, rows in ((FORGOTTEN, forgotten), (GAINED, gained)):
        lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        write_whole(folder / name, "".join(lines))
    write_json(folder / RETENTION, result)
    finish(folder, evaluations)
    return evaluations, result


def _held_base(specs: Specs, settings: dict):
    """Return what keeps the base's weights loaded from the one model to the other."""
    base, run = specs
    if not shares_base(look_up(run.model).record):
        return None
    ways = {name: settings[name] for name in ("quantization", "dtype", "device")}
    return load_scorer(base.model, base.scorer, **ways)


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
    outcomes = defaultdict(list)
    for before, after, question in zip(base, run, questions, strict=True):
        if question.subject is not None:
            outcomes[question.subject].append((before.correct, after.correct))
    rows = {
        subject: {
            "n": len(pairs),
            "base": sum(before for before, _ in pairs),
            "run": sum(after for _, after in pairs),
            "forgotten": pairs.count((True, False)),
            "gained": pairs.count((False, True)),
        }
        for subject, pairs in sorted(outcomes.items())
    }
    p_values = [mcnemar(row["forgotten"], row["gained"]) for row in rows.values()]
    for row, p_value, corrected in zip(rows.values(), p_values, holm(p_values), strict=True):
        row |= {"p_value": p_value, "p_value_holm": corrected}
    return rows
