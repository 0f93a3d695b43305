"""Merge a run into a plain model folder, and say what that did to its answers."""

from collections.abc import Sequence
from pathlib import Path

from mcqa.errors import ConfigError
from mcqa.evaluation.metrics import summarize
from mcqa.evaluation.numbers import format_accuracy
from mcqa.formulations import get_formulation
from mcqa.models.backbones import load_tokenizer, pick_device, pick_dtype
from mcqa.models.names import resolve_model
from mcqa.question import Question
from mcqa.runs.merging import check_mergeable, check_output, merge_adapter, save_merged
from mcqa.runs.trained import base_of, read_record
from mcqa.scoring.loading import load_scorer


def merge_run(
    run: str,
    output: str,
    *,
    dtype: str | None = None,
    device: str = "auto",
    questions: Sequence[Question] = (),
    batch_size: int = 16,
) -> dict:
    """Merge a run's adapter into its base and write a plain folder, empty or new before.

    Args:
        dtype: of the saved weights; by default the run's compute type.
        questions: labelled ones to score before and after, without passages to retrieve.

    Returns:
        `folder` and `dtype`; with questions also `n`, `accuracy_before`, `accuracy_before_ci95`,
        `accuracy_after`, `accuracy_after_ci95`, and `changed`: how many answers differ.

    Raises:
        ConfigError: `run` is no run or cannot be merged, or `output` holds something.
    """
    reference = resolve_model(run)
    if reference.kind != "run":
        raise ConfigError(f"{run!r} is not a run folder; only a run has an adapter to merge.")
    check_output(output)
    record = read_record(reference.path)
    check_mergeable(reference.path, record)
    device, dtype = pick_device(device), dtype or record["dtype"]
    context = record.get("context", {}).get("kind", "data")
    context = "none" if context == "retrieved" else context  # there are no passages here
    settings = {"device": device, "template": record["template"], "context": context}
    before = load_scorer(run, **settings).score_many(questions, batch_size) if questions else []
    merged = merged_model(reference.path, record, dtype=dtype, device=device)
    folder = str(save_merged(output, merged, load_tokenizer(reference.path), record))
    result = {"folder": folder, "dtype": dtype}
    if not questions:
        return result
    settings |= {"dtype": dtype, "max_length": record["max_length"]}
    after = load_scorer(folder, **settings).score_many(questions, batch_size)
    for when, predictions in (("before", before), ("after", after)):
        summary = summarize(predictions)
        result["n"] = summary["n"]
        result[f"accuracy_{when}"] = summary["accuracy"]
        result[f"accuracy_{when}_ci95"] = summary["accuracy_ci95"]
    changed = sum(a.choice != b.choice for a, b in zip(before, after, strict=True))
    return result | {"changed": changed}


def merged_model(folder: str, record: dict, *, dtype: str, device: str):
    """Return the model of a run folder with its adapter merged into the base, in a dtype."""
    how = {"head": record.get("head"), "quantization": record["quantization"]}
    how |= {"dtype": record["dtype"], "device": device}
    base = base_of(folder, record).path
    backbone = get_formulation(record["formulation"]).load_backbone(base, **how)
    return merge_adapter(backbone, folder, record, pick_dtype(dtype, device))


def describe(result: dict) -> list[str]:
    """Return what `merge_run` did, in lines for the user."""
    lines = [f"Merged in {result['dtype']}: {Path(result['folder'])}"]
    if "n" not in result:
        return [*lines, "Not scored again. --validation-data FILE says what merging changed."]
    if result["accuracy_before"] is None:  # of several kinds, which have none together
        return [*lines, f"{result['changed']} of {result['n']} answers changed"]
    for when in ("before", "after"):
        accuracy, interval = result[f"accuracy_{when}"], result[f"accuracy_{when}_ci95"]
        lines.append(f"accuracy {when} {format_accuracy(accuracy, interval)}, n = {result['n']}")
    points = 100 * (result["accuracy_after"] - result["accuracy_before"])
    return [*lines, f"difference {points:+.1f} points; {result['changed']} answers changed"]
