"""The model card of a run: what it is, what it was trained on, how it is scored and loaded.

Nothing of the data is in it but names, numbers and checksums; the example is made up. The Hub
reads the results of evaluations in the front matter, people read the table.
"""

import json
from collections.abc import Sequence

from huggingface_hub import EvalResult, ModelCardData
from jinja2 import Environment, PackageLoader

from mcqa.evaluation.numbers import format_accuracy
from mcqa.models.embedded import ALIAS, HUB_NAME
from mcqa.models.gguf_files import ENDING
from mcqa.models.recipes.table import DEFAULT, RECIPES
from mcqa.prompting.prompts import get_template
from mcqa.question import Question
from mcqa.runs.trained import by_kind

UNKNOWN_LICENCE = "unknown"
EXAMPLE = Question(
    stem="Which of these is a fruit?", options=("a hammer", "an apple", "a spoon"), label=1
)


def model_card(
    record: dict, *, repo: str | None = None, licence: str | None = None, scores: Sequence = ()
) -> str:
    """Return the README of a run folder from its `run.json`.

    Args:
        repo: where it will be on the Hub, None where it stays a folder.
        licence: of the base; None leaves it out.
        scores: on questions other than those it was trained and chosen by.
    """
    name, head = record.get("recipe", DEFAULT), record.get("head")
    recipe, rendered = RECIPES[name], get_template(record["template"]).render(EXAMPLE)
    base, context = record["base_model"], record.get("context", {"kind": "data"})
    embedded, pooled = base == ALIAS, "pooling" in (head or {})
    gguf = record.get("base_gguf")
    from_file = base.lower().endswith(ENDING)
    trainable = record.get("trainable_parameters")
    front = ModelCardData(
        base_model=HUB_NAME if embedded else base,
        library_name="transformers" if recipe.kept_by == "weights" else "peft",
        license=licence,
        tags=["multiple-choice", "mcqa", record["formulation"]],
        model_name=repo.rpartition("/")[2] if scores else None,
        eval_results=list(scores) or None,
    )
    arguments = [f'snapshot_download("{repo}")' if repo else '"this folder"']
    shown_context = context["kind"]
    if shown_context == "retrieved":
        passages = f"{context['passages']:,} passages of {context['source']}"
        shown_context += f", top {context['top_k']} of {passages}"
        arguments.append('index="what `mcqa index` wrote"')
    of_base = ["ensure_embedded()" if embedded else f'"{base}"']
    if from_file:
        of_base = [f'ensure_converted("{base}")']
    if commit := record.get("base_commit"):
        of_base.append(f'revision="{commit}"')
    if pooled:
        of_base.append(f"multiple_choice={head}")
    peft_takes_all = recipe.kept_by == "peft" or (recipe.kept_by == "prompt" and not head)
    auto_class = "AutoModelForMultipleChoice" if head else "AutoModelForCausalLM"
    whitespace = {"trim_blocks": True, "lstrip_blocks": True, "keep_trailing_newline": True}
    environment = Environment(loader=PackageLoader("mcqa.runs"), **whitespace)
    return environment.get_template("card.md.j2").render(
        front=front,
        run=record,
        base=base,
        name=name,
        recipe=recipe,
        embedded=embedded,
        gguf=gguf,
        from_file=from_file,
        pooled=pooled,
        repo=repo,
        licence=licence,
        context=shown_context,
        trained_on="; ".join(map(_set, training_sets(record))),
        validated=_validated(record),
        trainable="not known" if trainable is None else f"{trainable:,}",
        scores=list(map(_row, scores)),
        rendered=rendered,
        continuations=json.dumps(rendered.continuations, ensure_ascii=False),
        arguments=arguments,
        of_base=of_base,
        auto_class=auto_class if peft_takes_all else None,
    )


def training_sets(record: dict) -> list[dict]:
    """Return the records of a run's training sets; earlier versions had one, without a weight."""
    train = record.get("train") or {}
    return train.get("sets") or ([train] if train else [])


def _set(one: dict) -> str:
    weight = one.get("weight", 1)
    often = "" if weight == 1 else f", weight {weight:g}"
    return f"{one['n']:,} from {one['source']} (sha256 {one['sha256'][:12]}){often}"


def _validated(record: dict) -> str:
    accuracies = by_kind(record.get("validation_accuracy") or {})
    calibrations = by_kind(record.get("calibration") or {})
    if not accuracies:
        return "none"
    right = {
        kind: f"{format_accuracy(one['value'], one['ci95'])} of {one['n']:,} right"
        for kind, one in accuracies.items()
    }
    told = _of_kinds(right)
    if record.get("validation"):
        told += f", from {record['validation']['source']}; these questions chose the model"
    if not calibrations:
        return told
    scorer = next(iter(calibrations.values()))["scorer"]
    return f"{told}; {_of_kinds({k: _fitted(c) for k, c in calibrations.items()})} for `{scorer}`"


def _of_kinds(told: dict[str, str]) -> str:
    if told.keys() == {"choice"}:
        return told["choice"]
    return ", ".join(f"{kind}: {text}" for kind, text in told.items())


def _fitted(calibration: dict) -> str:
    fitted = f"temperature {calibration['temperature']:.3g}"
    if calibration.get("at_bound"):
        fitted = f"no temperature within bounds ({calibration['temperature']:.3g})"
    threshold = calibration.get("threshold")
    return fitted if threshold is None else f"{fitted} and threshold {threshold:.3g}"


def _row(score: EvalResult) -> str:
    data, how = score.dataset_args, score.metric_args
    learned = ", **which it was trained on**" if data["trained_on"] else ""
    learned += f", {data['kind']}" if "kind" in data else ""
    accuracy = format_accuracy(score.metric_value, how["ci95"])
    return (
        f"| {data['source']}{learned} (sha256 {data['sha256'][:12]}) | {how['scorer']} | "
        f"{how['template']} | {how['context']} | {accuracy} | {how['n']:,} |"
    )
