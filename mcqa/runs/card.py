"""The model card of a run: what it is, what it was trained on, how it is asked and loaded.

Nothing of the data is in it but names, numbers and checksums; the example is made up.
"""

import json
from collections.abc import Sequence
from typing import NamedTuple

import yaml

from mcqa.evaluation.numbers import format_accuracy
from mcqa.models.embedded import ALIAS, HUB_NAME
from mcqa.models.recipes.table import DEFAULT, RECIPES
from mcqa.prompting.prompts import get_template
from mcqa.question import Question

CARD = """\
---
{front}---

# {base}, tuned for multiple-choice questions ({formulation})

Trained by the recipe {recipe} of [mcqa](https://pypi.org/project/mcqa) {version}: it trains
{trains} ({source}).{embedded}

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
| trainable parameters | {trainable_parameters} |
| seed | {seed} |
{scores}{licence}
## How it is asked

The template `{template}` makes a prefix of a question and a continuation of each option; each
option is scored behind the same prefix. Of a question made up for this page:

```text
{prefix}
```

```json
{continuations}
```

## How to load it

```python
{loading}
```

{plain}
"""
UNKNOWN_LICENCE = "unknown"
EXAMPLE = Question(
    stem="Which of these is a fruit?", options=("a hammer", "an apple", "a spoon"), label=1
)
EMBEDDED = f"""
The base is the one that mcqa brings along, made of a 4-bit file of {HUB_NAME}: close to the
weights there, not equal to them."""
BY_MCQA = """\
{fetch}scorer = mcqa.load_scorer({folder})
scorer.score(mcqa.Question(stem="...", options=("...", "...")))"""
BY_PEFT = """\
PEFT loads the adapter too, without the prompts and scores of mcqa:

```python
from peft import PeftModel
from transformers import {auto_class}
{imports}
base = {auto_class}.from_pretrained({base}{settings})
model = PeftModel.from_pretrained(base, {folder})
```
{note}"""
QUANTIZED = """
The adapter learned on a base in {quantization}; load the base with transformers' BitsAndBytesConfig
to have that again."""
MCQA_ONLY = "PEFT has no format for all that this recipe trains; only mcqa puts it on its base."


class Score(NamedTuple):
    """Hold a result for the card: on what, how asked, and how well."""

    data: str
    sha256: str
    scorer: str
    template: str
    context: str
    n: int
    accuracy: float
    interval: Sequence[float]


def model_card(
    record: dict,
    *,
    repo: str | None = None,
    licence: str | None = None,
    scores: Sequence[Score] = (),
) -> str:
    """Return the README of a run folder.

    Args:
        record: what its `run.json` holds.
        repo: where it will be on the Hub, None where it stays a folder.
        licence: of the base; None leaves it out.
        scores: on questions other than those it was trained and chosen by.
    """
    name = record.get("recipe", DEFAULT)
    recipe = RECIPES[name]
    rendered = get_template(record["template"]).render(EXAMPLE)
    base = record["base_model"]
    front = {
        "base_model": HUB_NAME if base == ALIAS else base,
        "library_name": "transformers" if recipe.kept_by == "weights" else "peft",
        **({"license": licence} if licence else {}),
        "tags": ["multiple-choice", "mcqa", record["formulation"]],
    }
    return CARD.format(
        front=yaml.safe_dump(front, sort_keys=False),
        base=base,
        formulation=record["formulation"],
        recipe=name,
        trains=recipe.trains,
        source=recipe.source,
        embedded=EMBEDDED if base == ALIAS else "",
        version=record.get("versions", {}).get("mcqa", ""),
        template=record["template"],
        quantization=record["quantization"],
        trained_on="; ".join(map(_set, training_sets(record))) or "not known",
        context_told=_context(record.get("context", {"kind": "data"})),
        validated=_validated(record),
        steps=record.get("steps", "not known"),
        trainable_parameters=_counted(record.get("trainable_parameters")),
        seed=record.get("seed", "not known"),
        scores=_scores(scores),
        licence=_licence(licence, base),
        prefix=rendered.prefix,
        continuations=json.dumps(rendered.continuations, ensure_ascii=False),
        loading=_by_mcqa(repo, record.get("context", {}).get("kind")),
        plain=_by_peft(record, recipe.kept_by, repo),
    )


def _context(context: dict) -> str:
    if context["kind"] != "retrieved":
        return context["kind"]
    passages = f"{context['passages']:,} passages of {context['source']}"
    return f"retrieved, top {context['top_k']} of {passages}"


def _counted(count: int | None) -> str:
    return "not known" if count is None else f"{count:,}"


def training_sets(record: dict) -> list[dict]:
    """Return the records of a run's training sets; earlier versions had one, without a weight."""
    train = record.get("train") or {}
    return train.get("sets") or ([train] if train else [])


def _set(one: dict) -> str:
    weight = one.get("weight", 1)
    often = "" if weight == 1 else f", weight {weight:g}"
    return f"{one['n']:,} from {one['source']} (sha256 {one['sha256'][:12]}){often}"


def _validated(record: dict) -> str:
    accuracy, calibration = record.get("validation_accuracy"), record.get("calibration")
    if accuracy is None:
        return "none"
    told = f"{format_accuracy(accuracy['value'], accuracy['ci95'])} of {accuracy['n']:,} right"
    if record.get("validation"):
        told += f", from {record['validation']['source']}; these questions chose the model"
    if calibration is None:
        return told
    fitted = f"temperature {calibration['temperature']:.3g}"
    if calibration.get("at_bound"):
        fitted = f"no temperature within bounds ({calibration['temperature']:.3g})"
    return f"{told}; {fitted} for `{calibration['scorer']}`"


def _scores(scores: Sequence[Score]) -> str:
    if not scores:
        return ""
    rows = [
        f"| {s.data} (sha256 {s.sha256}) | {s.scorer} | {s.template} | {s.context} | "
        f"{format_accuracy(s.accuracy, s.interval)} | {s.n:,} |"
        for s in scores
    ]
    head = "| questions | scorer | template | context | accuracy (95%) | n |"
    return "\n".join(["\n## Scores\n", head, "|---|---|---|---|---|---|", *rows, ""])


def _licence(licence: str | None, base: str) -> str:
    if licence is None:
        return ""
    said = licence
    if licence == UNKNOWN_LICENCE:
        said = f"unknown: check the licence of {base} before you use or pass on what is made of it"
    return f"\n## Licence of the base\n\n{said}\n"


def _by_mcqa(repo: str | None, context: str | None) -> str:
    passages = ', index="what `mcqa index` wrote"' if context == "retrieved" else ""
    if repo is None:
        return "import mcqa\n\n" + BY_MCQA.format(fetch="", folder=f'"this folder"{passages}')
    fetch = "import mcqa\nfrom huggingface_hub import snapshot_download\n\n"
    return BY_MCQA.format(fetch=fetch, folder=f'snapshot_download("{repo}"){passages}')


def _by_peft(record: dict, kept_by: str, repo: str | None) -> str:
    head = record.get("head")
    if kept_by == "weights" or (kept_by == "prompt" and head):
        return MCQA_ONLY
    base, quantization = record["base_model"], record["quantization"]
    imports, note = "", QUANTIZED.format(quantization=quantization)
    if base == ALIAS:
        imports = "from mcqa.models.embedded import ensure_embedded\n"
    if head and "pooling" in head:
        imports += "import heads  # of the package mcqa: the decoder with its head\n"
    settings = f', revision="{commit}"' if (commit := record.get("base_commit")) else ""
    if head and "pooling" in head:
        settings += f", multiple_choice={head}"
    return BY_PEFT.format(
        auto_class="AutoModelForMultipleChoice" if head else "AutoModelForCausalLM",
        imports=imports,
        base="ensure_embedded()" if base == ALIAS else f'"{base}"',
        settings=settings,
        folder=f'"{repo}"' if repo else '"this folder"',
        note="" if quantization == "none" else note,
    ).rstrip("\n")
