"""The model card of a run folder."""

from mcqa.recipes.table import RECIPES
from mcqa.report.numbers import format_accuracy

CARD = """\
---
base_model: {base_model}
library_name: {library}
tags: [multiple-choice, mcqa, {formulation}]
---

# {base_model}, tuned for multiple-choice questions ({formulation})

Trained by the recipe {recipe} of [mcqa](https://pypi.org/project/mcqa) {version}.

| | |
|---|---|
| formulation | {formulation} |
| prompt template | {template} |
| context | {context_told} |
| recipe | {recipe} |
| quantization of the base | {quantization} |
| training questions | {trained_on} |
| validation | {validated} |
| optimizer steps | {steps} |
| trainable parameters | {trainable_parameters:,} |
| seed | {seed} |

    scorer = mcqa.load_scorer("this folder")
    scorer.score(mcqa.Question(stem="...", options=("...", "...")))
"""


def model_card(record: dict) -> str:
    """Return the README of a run folder from what its `run.json` will hold."""
    return CARD.format(
        **record,
        library="transformers" if RECIPES[record["recipe"]].kept_by == "weights" else "peft",
        version=record["versions"]["mcqa"],
        context_told=_context(record["context"]),
        trained_on="; ".join(map(_set, record["train"]["sets"])),
        validated=_validated(record),
    )


def _context(context: dict) -> str:
    if context["kind"] != "retrieved":
        return context["kind"]
    passages = f"{context['passages']:,} passages of {context['source']}"
    return f"retrieved, top {context['top_k']} of {passages}"


def _set(one: dict) -> str:
    often = "" if one["weight"] == 1 else f", weight {one['weight']:g}"
    return f"{one['n']:,} from {one['source']} (sha256 {one['sha256'][:12]}){often}"


def _validated(record: dict) -> str:
    accuracy, calibration = record["validation_accuracy"], record["calibration"]
    if accuracy is None:
        return "none"
    told = f"{format_accuracy(accuracy['value'], accuracy['ci95'])} of {accuracy['n']:,} right"
    if calibration is None:
        return told
    return f"{told}; temperature {calibration['temperature']:.3g} for `{calibration['scorer']}`"
