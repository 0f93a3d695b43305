"""A run in a form that other programs take: `mcqa export`.

Every format is a folder, written whole: the model, its tokenizer, a card that shows how it is asked
and loaded, and `export.json`, by which a folder is known as one that may be replaced.
"""

import importlib.util
import json
import shutil
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from huggingface_hub import ModelCardData
from jinja2 import Environment, PackageLoader

from mcqa.errors import ConfigError, MissingDependencyError
from mcqa.evaluation.numbers import format_bytes
from mcqa.export import checking, classifier, gguf_file, onnx_client, onnx_graph
from mcqa.export.merge import merged_model
from mcqa.formulations import get_formulation
from mcqa.models.backbones import load_tokenizer, model_config, pick_device
from mcqa.models.embedded import HUB_NAME
from mcqa.models.gguf_files import ENDING
from mcqa.models.names import ModelReference, resolve_model
from mcqa.prompting.prompts import get_template
from mcqa.question import Question
from mcqa.runs.card import EXAMPLE
from mcqa.runs.merging import check_mergeable
from mcqa.runs.trained import base_of, by_kind, read_record
from mcqa.scoring.loading import load_scorer
from mcqa.system.files import whole_folder, write_json
from mcqa.system.quiet import quiet_loading

CLASSIFICATION, GGUF, ONNX = FORMATS = ("sequence-classification", "gguf", "onnx")
EXPORT = "export.json"
CLIENT = "score.py"
SCORES = {
    "head": "the head's value at its last token, a logit",
    "text": "the sum of its tokens' log-probabilities, in nats",
    "text-mean": "the mean of its tokens' log-probabilities, in nats",
}


def export_run(
    run: str,
    output: str,
    format: str,
    *,
    adapter: bool = False,
    dtype: str | None = None,
    device: str = "auto",
    overwrite: bool = False,
    questions: Sequence[Question] = (),
) -> dict:
    """Write a run as a folder of a format, and score questions through it.

    Args:
        adapter: for sequence-classification: PEFT's adapter alone, not merged into its base.
        dtype: of the merged weights; by default the run's compute type, float32 for onnx.
        overwrite: replace an earlier export, and nothing else.
        questions: what to compare with the run's own scores, without passages to retrieve.

    Returns:
        `folder`, what `export.json` holds, `files` with their bytes, and with questions as `check`
        what `mcqa.export.checking.compare` returns.

    Raises:
        ConfigError: the run does not go with the format, or `output` holds something.
        MissingDependencyError: a format's or a check's package is not installed.
    """
    reference = resolve_model(run)
    if reference.kind != "run":
        raise ConfigError(f"{run!r} is not a run folder; only a run can be exported.")
    folder = check_output(output, overwrite=overwrite)
    record = read_record(reference.path)
    base = base_of(reference.path, record)
    _check(run, record, model_config(base.path), format, adapter, dtype)
    _check_packages(format, checked=bool(questions))
    device = pick_device(device)
    tokenizer = load_tokenizer(reference.path)
    about = _about(run, record, format, adapter, dtype)
    with whole_folder(folder) as made:
        if adapter:
            classifier.write_adapter(Path(reference.path), record, made)
        else:
            merged = merged_model(reference.path, record, dtype=about["dtype"], device=device)
            _write(made, format, merged, tokenizer)
        tokenizer.save_pretrained(made)
        (made / "README.md").write_text(_card(about, record, base), encoding="utf-8")
        write_json(made / EXPORT, about)
        if folder.exists():
            shutil.rmtree(folder)
    files = {file.name: file.stat().st_size for file in sorted(folder.iterdir())}
    result = {"folder": str(folder), **about, "files": files}
    if questions:
        context = about["context"] if about["context"] != "retrieved" else "none"
        # In the type of what was written, else rounding would be all that is seen.
        scorer = load_scorer(run, device=device, context=context, dtype=about["dtype"])
        score = _scoring(folder, about, record, base, tokenizer, device)
        result["check"] = checking.compare(scorer, questions, score)
    return result


def check_output(path: str, *, overwrite: bool) -> Path:
    """Return a folder's path, or raise ConfigError where it holds what may not be replaced."""
    folder = Path(path)
    if (folder / EXPORT).is_file():
        if not overwrite:
            raise ConfigError(
                f"{folder} holds an export. Choose another --output, or pass --overwrite."
            )
    elif folder.is_file() or (folder.is_dir() and any(folder.iterdir())):
        raise ConfigError(f"{folder} is not an empty folder. Choose another --output.")
    return folder


def _check(run: str, record: dict, config, format: str, adapter: bool, dtype: str | None) -> None:
    """Raise ConfigError where a run, or a setting, does not go with a format."""
    if format not in FORMATS:
        raise ConfigError(f"format {format!r} does not exist; there are: {', '.join(FORMATS)}.")
    if adapter and format != CLASSIFICATION:
        raise ConfigError(f"--adapter goes with --format {CLASSIFICATION} alone.")
    if adapter and dtype:
        raise ConfigError("--adapter and --dtype: an adapter keeps the type it was trained in.")
    if format == ONNX and dtype not in (None, onnx_graph.DTYPE):
        raise ConfigError(f"dtype {dtype!r}: format onnx is written in {onnx_graph.DTYPE} alone.")
    if format == GGUF:
        if record["formulation"] != "generative":
            raise ConfigError(
                f"{run}: format gguf is for generative runs, and this one has a head, for which "
                f"llama.cpp has no place. Use --format {CLASSIFICATION} or onnx."
            )
        gguf_file.check_gguf(config)
    else:
        classifier.check_head(run, record, config, format)
        (classifier.check_class if format == CLASSIFICATION else onnx_graph.check_layers)(
            run, config
        )
    if not adapter:
        check_mergeable(run, record)


def _check_packages(format: str, *, checked: bool) -> None:
    needed = {ONNX: ["onnx", "onnxscript"] + ["onnxruntime"] * checked}
    needed[GGUF] = ["llama_cpp"] * checked
    missing = [n for n in needed.get(format, ()) if importlib.util.find_spec(n) is None]
    if missing:
        install = "'mcqa[onnx]'" if format == ONNX else "llama-cpp-python"
        what = "--check of " * (format == GGUF or missing == ["onnxruntime"])
        raise MissingDependencyError(
            f"{what}format {format} needs {' and '.join(missing)}, which is not installed. "
            f"Run: pip install {install}"
        )


def _about(run: str, record: dict, format: str, adapter: bool, dtype: str | None) -> dict:
    fitted = by_kind(record.get("calibration") or {}).get("choice", {})
    scorer = get_formulation(record["formulation"]).default_scorer(record.get("objective"))
    known = fitted.get("scorer") == scorer and not fitted.get("at_bound")
    default = onnx_graph.DTYPE if format == ONNX else record["dtype"]
    return {
        "format": format,
        "adapter": adapter,
        "run": Path(run).name,
        "trained_sha256": record["trained_sha256"],
        "base_model": record["base_model"],
        "quantization": record["quantization"],
        "dtype": None if adapter else dtype or default,
        "template": record["template"],
        "context": record.get("context", {}).get("kind", "data"),
        "scorer": scorer,
        "temperature": fitted["temperature"] if known else None,
        "max_length": record["max_length"],
        "versions": {name: version(name) for name in ("mcqa", "torch", "transformers", "peft")},
    }


def _write(folder: Path, format: str, merged, tokenizer) -> None:
    """Write a merged model's own files."""
    if format == GGUF:
        gguf_file.write_gguf(folder / gguf_file.FILE, merged, tokenizer, name="mcqa")
    elif format == ONNX:
        onnx_graph.write_onnx(folder / onnx_graph.FILE, merged)
        shutil.copyfile(onnx_client.__file__, folder / CLIENT)
    else:
        with quiet_loading():
            model = classifier.as_classifier(merged, tokenizer.pad_token_id)
            model.save_pretrained(folder, save_original_format=False)


def _scoring(folder: Path, about: dict, record: dict, base: ModelReference, tokenizer, device: str):
    """Return what scores a question through a written folder, see `checking.compare`."""
    if about["format"] == GGUF:
        length = about["scorer"], about["max_length"]
        return checking.by_llama_cpp(folder / gguf_file.FILE, *length)
    if about["format"] == ONNX:
        return checking.by_onnxruntime(str(folder))
    with quiet_loading():
        model = classifier.load_classifier(
            str(folder), record, base.path if about["adapter"] else None, tokenizer.pad_token_id
        )
    return checking.by_transformers(model.to(device), str(folder))


def _card(about: dict, record: dict, base: ModelReference) -> str:
    libraries = {CLASSIFICATION: "peft" if about["adapter"] else "transformers"}
    front = ModelCardData(
        base_model=HUB_NAME if base.kind == "embedded" else record["base_model"],
        library_name=libraries.get(about["format"], about["format"]),
        tags=["multiple-choice", "mcqa", about["format"]],
    )
    rendered = get_template(about["template"]).render(EXAMPLE)
    quantized = record["quantization"] != "none"
    trained = "a run of mcqa" + f", trained on a base in {record['quantization']}" * quantized
    base_now = "its dequantized base" if quantized else "its base"
    made = f"The adapter of {trained}, merged into {base_now} in {about['dtype']}."
    of_mcqa, place = None, f'"{record["base_model"]}"'
    if about["adapter"]:
        made = f"The adapter and head of {trained}."
        if base.kind == "embedded":
            of_mcqa, place = ("mcqa.models.embedded", "ensure_embedded"), "ensure_embedded()"
        elif record["base_model"].lower().endswith(ENDING):
            of_mcqa = ("mcqa.models.gguf_files", "ensure_converted")
            place = f"ensure_converted({place})"
        elif commit := record.get("base_commit"):
            place += f', revision="{commit}"'
    whitespace = {"trim_blocks": True, "lstrip_blocks": True, "keep_trailing_newline": True}
    environment = Environment(loader=PackageLoader("mcqa.export"), **whitespace)
    return environment.get_template("card.md.j2").render(
        front=front,
        about=about,
        record=record,
        made=made,
        weights=about["dtype"] or "an adapter in PEFT's format; modules_to_save: score",
        score=SCORES[about["scorer"]],
        temperature=about["temperature"] or "none was fitted",
        prefix=json.dumps(rendered.prefix, ensure_ascii=False),
        continuations=json.dumps(rendered.continuations, ensure_ascii=False),
        base=place,
        of_mcqa=of_mcqa,
        file=gguf_file.FILE,
    )


def describe(result: dict) -> list[str]:
    """Return what `export_run` did, in lines for the user."""
    total = f"{format_bytes(sum(result['files'].values()))} in {len(result['files'])} files"
    kind = "adapter" if result["adapter"] else result["dtype"]
    lines = [f"Exported as {result['format']}, {kind}: {result['folder']} ({total})"]
    check = result.get("check")
    if check is None:
        return [*lines, "Not scored through it. --check DATA compares its scores with the run's."]
    points = 100 * check["largest_probability_difference"]
    lines.append(
        f"{check['n']:,} questions: {check['changed']} choices changed; largest difference of a "
        f"score {check['largest_difference']:.2g} {check['unit']}, of a probability "
        f"{points:.2g} points"
    )
    if check["other_tokens"]:
        lines.append(
            f"{check['other_tokens']:,} of {check['texts']:,} texts have other tokens there: mcqa "
            "cut them, or they hold the name of a control token"
        )
    return lines
