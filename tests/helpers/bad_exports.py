"""Runs that cannot be exported, and GGUF files that are no models."""

import shutil
from pathlib import Path

from bad_inputs import SCORE, Case, Place, cut, edited, spoiled
from encoders import save

CLASSIFICATION = "export RUN --format sequence-classification --output OUT --device cpu"
GGUF = CLASSIFICATION.replace("sequence-classification", "gguf")
ONNX = CLASSIFICATION.replace("sequence-classification", "onnx")
RECORD = "run.json"
HEAD = {"pooling": "mean", "interaction": "attention"}


def a_head(place: Place) -> None:
    place.run = place.runs["multiple-choice"]


def head_run(**changes):
    """Change a copy of the multiple-choice run's `run.json`."""
    return spoiled("run", edited(RECORD, **changes), "multiple-choice")


def a_head_on_an_encoder(place: Place) -> None:
    base = save("bert", place.folder / "base")
    head_run(base_model=str(base), head=None)(place)


def an_export_is_there(place: Place) -> None:
    a_head(place)
    place.out.mkdir()
    (place.out / "export.json").write_text("{}")


def something_is_there(place: Place) -> None:
    a_head(place)
    place.out.mkdir()
    (place.out / "thesis.txt").write_text("precious")


def windows(place: Place) -> None:
    """A base whose layers look back a few tokens only."""
    shutil.copytree(place.model, place.folder / "base")
    edited("config.json", model_type="mistral", sliding_window=8)(place.folder / "base")
    head_run(base_model=str(place.folder / "base"))(place)


def windows_of_a_generative_run(place: Place) -> None:
    windows(place)
    place.run = place.folder / "generative"
    shutil.copytree(place.runs["generative"], place.run)
    edited(RECORD, base_model=str(place.folder / "base"))(place.run)


def a_gpt2(place: Place) -> None:
    from transformers import GPT2Config

    GPT2Config(vocab_size=384, n_embd=32, n_layer=1, n_head=2).save_pretrained(
        place.folder / "base"
    )
    spoiled("run", edited(RECORD, base_model=str(place.folder / "base")))(place)


def file(spoil=lambda path: None, name: str = "model.gguf", **changes):
    """Make a GGUF file of the tiny model, changed in what is written, and spoil it."""

    def make(place: Place) -> None:
        place.patch.setenv("MCQA_CACHE", f"{place.folder}-cache")
        folder, place.model = place.model, place.folder / name
        write(folder, place.model, **changes)
        spoil(place.model)

    return make


def write(folder: Path, path: Path, *, without: str = "", dtype: str = "float32") -> None:
    """Write a model's folder as a GGUF file, without a module where one is named."""
    import torch
    from transformers import AutoModelForCausalLM

    from mcqa.export.gguf_file import write_gguf
    from mcqa.models.backbones import load_tokenizer

    model = AutoModelForCausalLM.from_pretrained(folder, dtype=getattr(torch, dtype))
    if without:
        model.get_submodule(without).weight = None
    write_gguf(path, model, load_tokenizer(str(folder)), name="tiny")


def another_architecture(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data.replace(b"\x05\0\0\0\0\0\0\0llama", b"\x05\0\0\0\0\0\0\0flama", 1))


def shortened(path: Path) -> None:
    cut(path.name)(path.parent)


def a_run_on_another_file(place: Place) -> None:
    file()(place)
    base = {"sha256": "0" * 64, "weights": "F32 100%", "file": place.model.name}
    place.run = place.folder / "run"
    shutil.copytree(place.runs["generative"], place.run)
    edited(RECORD, base_model=str(place.model), base_gguf=base)(place.run)


MERGE = "`mcqa merge` makes a folder that llama.cpp's own convert_hf_to_gguf.py takes."
EXPORTS = (
    Case(
        "a model that is no run",
        "'MODEL' is not a run folder; only a run can be exported.",
        CLASSIFICATION.replace("RUN", "MODEL"),
    ),
    Case(
        "no such format",
        "Invalid value for '--format': 'pickle' is not one of 'sequence-classification', 'gguf', "
        "'onnx'.",
        CLASSIFICATION.replace("sequence-classification", "pickle"),
    ),
    Case(
        "a generative run as a head",
        "RUN: format sequence-classification is for multiple-choice runs, and this one is "
        "generative. Use --format gguf, or `mcqa merge`.",
        CLASSIFICATION,
    ),
    Case(
        "a head for llama.cpp",
        "RUN: format gguf is for generative runs, and this one has a head, for which llama.cpp has "
        "no place. Use --format sequence-classification or onnx.",
        GGUF,
        a_head,
    ),
    Case(
        "a head that is not one vector of weights",
        "RUN: its head has pooling 'mean', interaction 'attention', and format "
        "sequence-classification scores the last token by one vector of weights. Use `mcqa merge`, "
        "whose folder keeps this head, or train with --pooling last --interaction none.",
        CLASSIFICATION,
        head_run(head=HEAD),
    ),
    Case(
        "such a head for onnxruntime",
        "RUN: its head has pooling 'mean', interaction 'attention', and format onnx scores the "
        "last token by one vector of weights. Use `mcqa merge`, whose folder keeps this head, or "
        "train with --pooling last --interaction none.",
        ONNX,
        head_run(head=HEAD),
    ),
    Case(
        "the head of an encoder",
        "RUN: format sequence-classification is for the head of decoders, and the base is a bert, "
        "whose multiple-choice class is transformers' own. Use `mcqa merge`.",
        CLASSIFICATION,
        a_head_on_an_encoder,
    ),
    Case(
        "a recipe that does not merge",
        "RUN: recipe 'prompt-tuning' cannot be merged: it trains embeddings of virtual tokens, and "
        "a plain model has no place for these. Use the run folder itself, or train another recipe.",
        CLASSIFICATION,
        head_run(recipe="prompt-tuning"),
    ),
    Case(
        "an adapter of what PEFT has no format for",
        "RUN: recipe 'full' trains every weight, for which PEFT has no adapter with a head. Leave "
        "--adapter out.",
        CLASSIFICATION + " --adapter",
        head_run(recipe="full"),
    ),
    Case(
        "an adapter for onnxruntime",
        "--adapter goes with --format sequence-classification alone.",
        ONNX + " --adapter",
        a_head,
    ),
    Case(
        "an adapter of another type",
        "--adapter and --dtype: an adapter keeps the type it was trained in.",
        CLASSIFICATION + " --adapter --dtype float16",
        a_head,
    ),
    Case(
        "a type that onnxruntime does not compute in",
        "dtype 'bfloat16': format onnx is written in float32 alone.",
        ONNX + " --dtype bfloat16",
        a_head,
    ),
    Case(
        "sliding windows for onnxruntime",
        "RUN: format onnx is for decoders whose layers all attend in full, and 'mistral' has "
        "others. Use --format sequence-classification.",
        ONNX,
        windows,
    ),
    Case(
        "sliding windows for llama.cpp",
        f"format gguf: sliding windows are not written. {MERGE}",
        GGUF,
        windows_of_a_generative_run,
    ),
    Case(
        "an architecture that is not written for llama.cpp",
        f"format gguf: a gpt2 is not written, only llama, mistral, qwen2, qwen3. {MERGE}",
        GGUF,
        a_gpt2,
    ),
    Case(
        "a folder with an earlier export",
        "OUT holds an export. Choose another --output, or pass --overwrite.",
        CLASSIFICATION,
        an_export_is_there,
    ),
    Case(
        "a folder with something else, even with --overwrite",
        "OUT is not an empty folder. Choose another --output.",
        CLASSIFICATION + " --overwrite",
        something_is_there,
    ),
    Case(
        "a number of questions, and none to check",
        "--check-split and --check-limit go with --check.",
        CLASSIFICATION + " --check-limit 3",
    ),
)
GGUF_FILES = (
    Case(
        "a GGUF file that is not there",
        "model 'owner/absent.gguf': no such file. A GGUF file must be on this machine; `hf "
        "download OWNER/NAME model.gguf` gets one from the Hub.",
        SCORE.replace("MODEL", "owner/absent.gguf"),
    ),
    Case(
        "a file that is no GGUF",
        "model 'MODEL' is no GGUF file: it does not begin with the four letters GGUF.",
        make=file(lambda path: path.write_text("GGUFF"[1:])),
    ),
    Case(
        "a GGUF file cut short",
        "model 'MODEL' is damaged or cut short: its header or its tensors cannot be read. Download "
        "it again.",
        make=file(shortened),
    ),
    Case(
        "one of several parts",
        "model 'MODEL' is one of several parts of a model. Join them with llama.cpp's "
        "`llama-gguf-split --merge`, and name the result.",
        make=file(name="model-00001-of-00003.gguf"),
    ),
    Case(
        "an architecture that transformers does not read",
        "model 'MODEL' cannot be converted: …flama…. Name another GGUF file, or the model that it "
        "was made of.",
        make=file(another_architecture),
    ),
    Case(
        "a GGUF file that lacks a tensor",
        "model 'MODEL': its weights lack model.layers.0.mlp.up_proj.weight, and would be random "
        "there. Name another GGUF file.",
        make=file(without="model.layers.0.mlp.up_proj"),
    ),
    Case(
        "a run on another file of that name",
        "RUN: the base model of this run is gone. …model.gguf has the sha256 …, and it was trained "
        "on 0000000000000000…. Put it back, or write into run.json as base_model where it is now.",
        SCORE.replace("MODEL", "RUN"),
        a_run_on_another_file,
    ),
)
