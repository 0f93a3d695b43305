"""What tuning made a model forget: a run and its base on questions that it was not tuned for.

Both answer the same questions, so what counts is each question that only one of them gets right:
forgotten where that is the base, gained where it is the run.

The trap: a run of the multiple-choice formulation answers by a head that its base does not have.
The base is asked by the likelihood of the options' texts then, so that the difference holds that of
two ways of asking too; that is said wherever the result is.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from heads.encoder import is_encoder
from mcqa.errors import ConfigError, DataError
from mcqa.evaluating.evaluate import (
    ModelSpec,
    compare_evaluations,
    distinct_names,
    evaluate,
    folder_name,
)
from mcqa.evaluating.folder import FORGOTTEN, GAINED, RETENTION, Evaluation
from mcqa.evaluating.output import begin, finish
from mcqa.evaluation.groups import by_subject
from mcqa.evaluation.metrics import wilson_interval
from mcqa.evaluation.significance import holm, mcnemar
from mcqa.models.backbones import model_config
from mcqa.models.sharing import shares_base
from mcqa.prediction import Prediction
from mcqa.question import Question
from mcqa.runs.trained import base_of
from mcqa.scoring.loading import Found, load_scorer, look_up
from mcqa.system.files import write_json, write_whole


@dataclass(frozen=True)
class Pair:
    """Hold a run, its base, and how each of them is asked.

    Args:
        run, base: name and scorer.
        found: what the run's name means.
        settings: of both, for `mcqa.load_scorer`.
    """

    run: ModelSpec
    base: ModelSpec
    found: Found
    settings: dict

    @property
    def note(self) -> str | None:
        """What must be said of the comparison, None where both are asked alike."""
        if self.run.scorer == self.base.scorer:
            return None
        return (
            f"The run is asked with {self.run.scorer}, its base with {self.base.scorer}: the "
            "difference is that of the two ways of asking too, not of what was forgotten alone."
        )


def pair_of(
    run: str, scorer: str | None = None, base_scorer: str | None = None, **settings
) -> Pair:
    """Return a run and the base that it was tuned from, both to be asked alike where they can be.

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
    kept = ("template", "quantization", "dtype", "max_length")
    alike = {name: settings.pop(name, None) or found.record[name] for name in kept}
    own = found.record.get("context", {})
    alike["context"] = settings.pop("context", None) or own.get("kind", "data")
    if alike["context"] == "retrieved":
        alike["top_k"] = settings.pop("top_k", None) or own.get("top_k")
    return Pair(
        ModelSpec(run, found.scorer), ModelSpec(base.name, base_scorer), found, settings | alike
    )


def check_retention(
    pair: Pair,
    questions: Sequence[Question],
    folder: Path,
    *,
    details: Callable[..., dict],
    clusters: Mapping[str, str] | None = None,
    on_progress: Callable[[int], None] | None = None,
    overwrite: bool = False,
    **how,
) -> tuple[list[Evaluation], dict]:
    """Ask base and run the same questions and write what was forgotten.

    Writes what `mcqa evaluate` writes for two models, and `retention.json`, `forgotten.jsonl` and
    `gained.jsonl`.

    Args:
        pair: from `pair_of`.
        questions: what to ask, all labelled.
        folder: where to write, see `mcqa.evaluating.output.evaluation_folder`.
        details: from `Models=...` to the details of the report.
        clusters: see `mcqa.evaluation.comparison.compare`.
        on_progress: see `Scorer.score_many`.
        overwrite: see `mcqa.evaluating.output.begin`.
        how: further arguments of `mcqa.evaluating.evaluate.evaluate`.

    Returns:
        The two evaluations, the base's first, and what `retention.json` holds.

    Raises:
        DataError: a question has no label.
    """
    unlabelled = next((question.id for question in questions if question.label is None), None)
    if unlabelled is not None:
        raise DataError(
            f"question {unlabelled!r} has no label, and what was forgotten shows in right answers "
            "alone. Pass --unlabelled skip to leave such questions out."
        )
    specs = [pair.base, pair.run]
    names = distinct_names(specs)
    folders = begin(folder, list(map(folder_name, names)), overwrite=overwrite)
    held = _held_base(pair)
    evaluations = [
        evaluate(
            spec,
            name,
            questions,
            place,
            on_progress=on_progress,
            overwrite=overwrite,
            **pair.settings,
            **how,
        )
        for spec, name, place in zip(specs, names, folders, strict=True)
    ]
    del held
    (comparison,) = compare_evaluations(
        evaluations,
        folder,
        title=f"What {names[1]} forgot",
        details=details(Models=", ".join(spec.model for spec in specs)),
        questions=questions,
        clusters=clusters,
    )
    base, run = (evaluation.predictions for evaluation in evaluations)
    result = describe_retention(base, run, questions, comparison) | {"note": pair.note}
    for index, side in enumerate(("base", "run")):
        result[side] |= {"model": specs[index].model, "scorer": evaluations[index].scorer}
    _write_changed(folder / FORGOTTEN, base, run, questions)
    _write_changed(folder / GAINED, run, base, questions)
    write_json(folder / RETENTION, result)
    finish(folder, evaluations)
    return evaluations, result


def _held_base(pair: Pair):
    """Return what keeps the base's weights loaded from the one model to the other."""
    if not shares_base(pair.found.record):
        return None
    ways = {name: pair.settings[name] for name in ("quantization", "dtype", "device")}
    return load_scorer(pair.base.model, pair.base.scorer, **ways)


def describe_retention(
    base: Sequence[Prediction],
    run: Sequence[Prediction],
    questions: Sequence[Question],
    comparison: dict,
) -> dict:
    """Return what a run forgot and gained, of all questions and of each subject.

    Args:
        base, run: predictions for the same questions in the same order.
        questions: these, in that order.
        comparison: of both, from `mcqa.evaluation.comparison.compare`, the base first.

    Returns:
        `n`; `base` and `run` (`name`, `accuracy`, `accuracy_ci95`); `difference`, run minus base,
        `difference_ci95`, `mcnemar`, `verdict` and, with clusters, `clusters`, as in
        `comparison.json`; `forgotten` and `gained`: `n`, `of` (how many the base had right, or
        wrong), their `share` and its interval `ci95`, None of none; `per_subject`, where a
        question has one: for each `n`, `base` and `run` (how many right), `forgotten`, `gained`,
        and the exact McNemar `p_value` and `p_value_holm`, corrected for the number of subjects.
    """
    kept = ("difference", "difference_ci95", "mcnemar", "clusters", "verdict")
    n, discordant = comparison["n"], comparison["mcnemar"]
    known = sum(prediction.correct for prediction in base)
    return {
        "n": n,
        "base": dict(comparison["a"]),
        "run": dict(comparison["b"]),
        **{name: comparison[name] for name in kept if name in comparison},
        "forgotten": _share(discordant["a_only"], known),
        "gained": _share(discordant["b_only"], n - known),
        "per_subject": _per_subject(base, run, by_subject(questions)),
    }


def _share(count: int, of: int) -> dict:
    interval = wilson_interval(count, of) if of else None
    return {"n": count, "of": of, "share": count / of if of else None, "ci95": interval}


def _per_subject(
    base: Sequence[Prediction], run: Sequence[Prediction], subject_of: Mapping[str, str | None]
) -> dict[str, dict]:
    rows: dict[str, dict] = {}
    for before, after in zip(base, run, strict=True):
        subject = subject_of[before.id]
        if subject is None:
            continue
        counts = ("n", "base", "run", "forgotten", "gained")
        row = rows.setdefault(subject, dict.fromkeys(counts, 0))
        row["n"] += 1
        row["base"] += before.correct
        row["run"] += after.correct
        row["forgotten"] += before.correct and not after.correct
        row["gained"] += after.correct and not before.correct
    p_values = [mcnemar(row["forgotten"], row["gained"]) for row in rows.values()]
    for row, p_value, corrected in zip(rows.values(), p_values, holm(p_values), strict=True):
        row |= {"p_value": p_value, "p_value_holm": corrected}
    return dict(sorted(rows.items()))


def _write_changed(
    path: Path,
    right: Sequence[Prediction],
    wrong: Sequence[Prediction],
    questions: Sequence[Question],
) -> None:
    """Write a line for each question that the one gets right and the other does not; no texts."""
    rows = [
        {"id": r.id, "subject": q.subject, "label": r.label, "chosen_instead": w.choice}
        for r, w, q in zip(right, wrong, questions, strict=True)
        if r.correct and not w.correct
    ]
    write_whole(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
