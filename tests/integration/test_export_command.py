"""`mcqa export`: each format scores as the run does, through the libraries that it is for."""

import importlib.util
import json
import re
import shutil

import pytest
import torch
from peft import PeftModel
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from mcqa.data import load_questions
from mcqa.runs.card import EXAMPLE
from mcqa.scoring.loading import load_scorer

CLASSIFICATION = ["--format", "sequence-classification"]
NEEDS = {"gguf": "llama_cpp", "onnx": "onnxruntime"}


def needs(format):
    """Skip a test where what reads a format is not installed."""
    there = importlib.util.find_spec(NEEDS[format]) is not None
    return pytest.mark.skipif(not there, reason=f"{NEEDS[format]} is not installed")


@pytest.fixture
def export(command, tmp_path, question_file):
    """Export a run and check it on 12 questions; return the result and the folder."""

    def run(source, *flags, check=12):
        folder = tmp_path / "exported"
        checking = ["--check", question_file, "--check-limit", check] if check else []
        how = ["--output", folder, "--device", "cpu", "--json", *checking]
        done = command("export", source, *flags, *how)
        assert done.code == 0, done.err
        return json.loads(done.out), folder

    return run


def run_card(folder):
    """Run the code that a card shows, on its example, and return what it computed."""
    blocks = re.findall(r"```python\n(.*?)```", (folder / "README.md").read_text("utf-8"), re.S)
    code = "\n".join(blocks).replace("this folder", str(folder))
    names = {}
    exec(compile(code, str(folder / "README.md"), "exec"), names)
    return names


def own_scores(run):
    return load_scorer(str(run), device="cpu").score(EXAMPLE).scores


def test_a_merged_head_loads_with_plain_transformers_and_scores_as_the_run(export, runs):
    run = runs["multiple-choice"]
    result, folder = export(run, *CLASSIFICATION)
    model, loading = AutoModelForSequenceClassification.from_pretrained(
        folder, output_loading_info=True
    )
    assert not loading["missing_keys"]
    assert not loading["unexpected_keys"]
    assert type(model).__name__ == "LlamaForSequenceClassification"
    assert model.config.num_labels == 1
    assert model.score.weight.shape == (1, 64)
    assert model.dtype == torch.float32
    assert not list(folder.glob("*.py"))
    check = result["check"]
    assert (check["n"], check["unit"], check["changed"], check["other_tokens"]) == (
        12,
        "logit",
        0,
        0,
    )
    assert check["largest_difference"] < 1e-4
    assert run_card(folder)["scores"].tolist() == pytest.approx(own_scores(run), abs=1e-4)
    assert "temperature | none was fitted" in (folder / "README.md").read_text("utf-8")


def test_an_adapter_loads_with_plain_peft_and_scores_as_the_run(export, runs, tiny_model_folder):
    run = runs["multiple-choice"]
    result, folder = export(run, *CLASSIFICATION, "--adapter")
    tokenizer = AutoTokenizer.from_pretrained(folder)
    how = {"num_labels": 1, "pad_token_id": tokenizer.pad_token_id}
    base = AutoModelForSequenceClassification.from_pretrained(tiny_model_folder, **how)
    model = PeftModel.from_pretrained(base, folder)
    config = json.loads((folder / "adapter_config.json").read_text())
    assert (config["modules_to_save"], config["task_type"]) == (["score"], "SEQ_CLS")
    assert model.base_model.model.score.modules_to_save["default"].weight.abs().sum() > 0
    assert result["check"]["largest_difference"] < 1e-4
    assert run_card(folder)["scores"].tolist() == pytest.approx(own_scores(run), abs=1e-4)


def test_the_temperature_of_a_run_divides_the_scores(
    export, run_main, training, validation_file, tmp_path
):
    flags = ["--validation-data", validation_file, "--output", tmp_path / "run"]
    assert run_main("train", "multiple-choice", *training, *flags) == 0
    result, folder = export(tmp_path / "run", *CLASSIFICATION, check=0)
    scorer = load_scorer(str(tmp_path / "run"), device="cpu")
    assert result["temperature"] == scorer.temperature
    assert f"temperature | {scorer.temperature or 'none was fitted'} |" in (
        (folder / "README.md").read_text("utf-8")
    )
    expected = torch.tensor(scorer.score(EXAMPLE).scores) / (scorer.temperature or 1)
    assert run_card(folder)["probabilities"].tolist() == pytest.approx(
        expected.softmax(0).tolist(), abs=1e-4
    )


def test_a_run_on_4_bits_is_exported_both_ways(
    command, run_main, training, question_file, tmp_path
):
    """Merged it is a little other than on 4 bits; the adapter's base is quantized as it was."""
    flags = ["--quantization", "nf4", "--output", tmp_path / "run"]
    assert run_main("train", "multiple-choice", *training, *flags) == 0
    how = ["--device", "cpu", "--check", question_file, "--check-limit", 12]
    for more in ([], ["--adapter"]):
        arguments = [*CLASSIFICATION, "--output", tmp_path / "out", "--overwrite", *how, *more]
        done = command("export", tmp_path / "run", *arguments)
        assert done.code == 0, done.err
        exported, checked = done.out.splitlines()
        kind = "adapter" if more else "float32"
        assert exported.startswith(f"Exported as sequence-classification, {kind}: {tmp_path}/out (")
        match = re.fullmatch(
            r"12 questions: 0 choices changed; largest difference of a score (\S+) logit, of a "
            r"probability \S+ points",
            checked,
        )
        assert float(match[1]) < 1e-2


def test_a_check_tells_another_model_and_texts_that_were_cut(
    export, runs, tmp_path, monkeypatch, question_file
):
    from mcqa.export import classifier

    whole = classifier.load_classifier

    def turned(*arguments):
        model = whole(*arguments)
        model.score.weight.data.neg_()
        return model

    monkeypatch.setattr(classifier, "load_classifier", turned)
    result, _ = export(runs["multiple-choice"], *CLASSIFICATION)
    assert result["check"]["changed"] >= 8
    assert result["check"]["largest_difference"] > 1
    run = runs["multiple-choice"]
    asked = load_scorer(str(run), device="cpu").encoder.encode(
        load_questions(question_file, limit=12)
    )
    record = json.loads((run / "run.json").read_text())
    record["max_length"] = max(encoded.longest for encoded in asked) - 1
    shutil.copytree(run, tmp_path / "short")
    (tmp_path / "short" / "run.json").write_text(json.dumps(record))
    result, _ = export(tmp_path / "short", *CLASSIFICATION, "--overwrite")
    assert 0 < result["check"]["other_tokens"] < result["check"]["texts"]


def test_an_export_is_whole_or_not_there(export, runs, monkeypatch, tmp_path):
    from mcqa.export import exporting

    _, folder = export(runs["multiple-choice"], *CLASSIFICATION, check=0)
    before = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}

    def interrupted(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(exporting, "_card", interrupted)
    with pytest.raises(KeyboardInterrupt):
        exporting.export_run(
            str(runs["multiple-choice"]),
            str(folder),
            CLASSIFICATION[1],
            device="cpu",
            overwrite=True,
        )
    assert {path.name: path.stat().st_mtime_ns for path in folder.iterdir()} == before
    assert [path.name for path in tmp_path.iterdir()] == ["exported"]


def test_a_damaged_adapter_is_not_exported(refused, runs, tmp_path):
    from safetensors.torch import load_file, save_file

    shutil.copytree(runs["multiple-choice"], tmp_path / "run")
    path = tmp_path / "run" / "adapter_model.safetensors"
    save_file({k: v + 1 for k, v in load_file(path).items()}, path, metadata={"format": "pt"})
    flags = [*CLASSIFICATION, "--adapter", "--output", tmp_path / "out", "--device", "cpu"]
    assert "checksum" in refused("export", tmp_path / "run", *flags)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("format", "kind", "missing", "command_line"),
    [
        ("onnx", "multiple-choice", "onnxscript", "pip install 'mcqa[onnx]'"),
        ("gguf", "generative", "llama_cpp", "pip install llama-cpp-python"),
    ],
)
def test_a_missing_package_is_named_before_anything_is_written(
    command, runs, monkeypatch, tmp_path, question_file, format, kind, missing, command_line
):
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda name, *more: None if name == missing else find(name, *more),
    )
    flags = ["--format", format, "--output", tmp_path / "out", "--check", question_file]
    done = command("export", runs[kind], *flags)
    assert done.code == 1
    assert missing in done.err
    assert command_line in done.err
    assert not (tmp_path / "out").exists()


@needs("onnx")
def test_a_graph_scores_in_onnxruntime_as_the_run(export, runs, monkeypatch):
    run = runs["multiple-choice"]
    result, folder = export(run, "--format", "onnx")
    check = result["check"]
    assert (check["changed"], check["other_tokens"]) == (0, 0)
    assert check["largest_difference"] < 1e-4
    monkeypatch.syspath_prepend(str(folder))
    assert run_card(folder)["scores"].tolist() == pytest.approx(own_scores(run), abs=1e-4)


@needs("gguf")
def test_a_gguf_file_scores_in_llama_cpp_as_the_run(export, runs):
    run = runs["generative"]
    result, folder = export(run, "--format", "gguf")
    check = result["check"]
    assert (check["unit"], check["changed"], check["other_tokens"]) == ("nats", 0, 0)
    assert check["largest_difference"] < 0.01  # its cache is in float16
    assert run_card(folder)["scores"].tolist() == pytest.approx(own_scores(run), abs=0.01)


def test_a_gguf_file_is_a_model_as_the_run(
    export, command, runs, question_file, tmp_path, monkeypatch
):
    """Scored by its name, and tuned anew: what it is kept in is said and written down."""
    monkeypatch.setenv("MCQA_CACHE", str(tmp_path / "cache"))
    _, folder = export(runs["generative"], "--format", "gguf", check=0)
    file = folder / "model.gguf"
    how = ["--device", "cpu", "--dtype", "float32", "--data", question_file]
    done = command("score", "--model", file, *how, "--output", tmp_path / "file.jsonl")
    assert done.code == 0, done.err
    assert f"{file}: llama, weights in F32 100%; converting once, to float32 in" in done.err
    assert (
        command(
            "score", "--model", runs["generative"], *how, "--output", tmp_path / "run.jsonl"
        ).code
        == 0
    )
    scores = [
        [json.loads(line)["scores"] for line in (tmp_path / name).open()]
        for name in ("file.jsonl", "run.jsonl")
    ]
    for one, other in zip(*scores, strict=True):
        assert one == pytest.approx(other, abs=1e-4)
    flags = ["--quantization", "none", "--max-steps", 1, "--output", tmp_path / "tuned"]
    done = command("train", "multiple-choice", "--model", file, *how, *flags)
    assert done.code == 0, done.err
    record = json.loads((tmp_path / "tuned" / "run.json").read_text())
    assert record["base_model"] == str(file)
    assert record["base_gguf"]["weights"] == "F32 100%"
    assert "whose weights are kept in\nF32 100%" in (tmp_path / "tuned" / "README.md").read_text()
    evaluated = command("evaluate", "--model", tmp_path / "tuned", *how, "--output", tmp_path / "e")
    assert evaluated.code == 0, evaluated.err
    work = json.loads((tmp_path / "e" / "evaluation.json").read_text())["runs"][0]["work"]
    assert work["quantization"] == "none, of a GGUF file in F32 100%"
