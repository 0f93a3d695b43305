"""Two ways to train that must come to the same numbers, in float32, for both formulations."""

import json
import math
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import GPT2Config, GPT2LMHeadModel

from mcqa.data import load_questions
from mcqa.errors import ConfigError, McqaError
from mcqa.question import Question
from mcqa.runs.trained import ADAPTER_FILE, TRAINED_FILE, VALIDATION_FILE, read_record
from mcqa.runs.training_folder import LOG_FILE
from mcqa.scoring.loading import load_scorer

FEW = {"max_steps": 3}


@pytest.fixture(scope="module")
def reference(formulation_name, tiny_training):
    return tiny_training(formulation_name, **FEW)


@pytest.fixture(scope="module")
def head_only(tiny_training):
    return tiny_training("multiple_choice", **FEW)


@pytest.mark.bits
def test_a_seed_repeats_a_run_bit_for_bit(reference, formulation_name, tiny_training):
    again = tiny_training(formulation_name, **FEW)
    assert again.losses == reference.losses
    assert again.record["trained_sha256"] == reference.record["trained_sha256"]
    other = tiny_training(formulation_name, **FEW, seed=1)
    assert other.record["trained_sha256"] != reference.record["trained_sha256"]


def test_the_same_run_twice_writes_the_same_bytes(formulation_name, tiny_training, question_file):
    settings = FEW | {"quantization": "nf4", "dtype": "bfloat16", "lora_dropout": 0.1}
    settings["validation_data"] = str(question_file)
    folders = [Path(tiny_training(formulation_name, **settings).folder) for _ in range(2)]
    for name in ("adapter_model.safetensors", VALIDATION_FILE):
        first, second = ((folder / name).read_bytes() for folder in folders)
        assert first == second
    questions = load_questions(question_file)
    first, second = (load_scorer(str(f), device="cpu").score_many(questions) for f in folders)
    assert first == second


def test_accumulated_batches_equal_one_batch(reference, formulation_name, tiny_training):
    parts = tiny_training(formulation_name, **FEW, batch_size=9, accumulation=4)
    assert parts.losses == pytest.approx(reference.losses, rel=1e-3)


@pytest.mark.parametrize("quantization", ["none", "nf4"])
def test_gpus_that_do_not_train_change_no_bit(
    formulation_name, tiny_training, quantization, monkeypatch
):
    """accelerate counts the GPUs of any machine, where it is not told to train on a CPU."""
    trained = []
    for n_gpus in (1, 2):
        monkeypatch.setattr(torch.cuda, "device_count", lambda n_gpus=n_gpus: n_gpus)
        trained.append(
            tiny_training(formulation_name, **FEW, device="cpu:0", quantization=quantization)
        )
    one, two = trained
    assert two.losses == one.losses
    assert two.record["trained_sha256"] == one.record["trained_sha256"]


def is_checkpointing(model):
    base = model.get_base_model()
    newer = hasattr(base, "is_activation_checkpointing")  # transformers 5.23
    return base.is_activation_checkpointing if newer else base.is_gradient_checkpointing


def test_gradient_checkpointing_changes_no_loss(reference, formulation_name, tiny_training):
    leaner = tiny_training(formulation_name, **FEW, gradient_checkpointing=True)
    assert is_checkpointing(leaner.model)
    assert not is_checkpointing(reference.model)
    assert leaner.losses == pytest.approx(reference.losses, rel=1e-5)


@pytest.mark.parametrize("quantization", ["none", "nf4"])
def test_evaluation_in_between_changes_no_loss(
    formulation_name, tiny_training, question_file, quantization
):
    settings = FEW | {"quantization": quantization}
    plain = tiny_training(formulation_name, **settings)
    evaluated = tiny_training(formulation_name, **settings, validation_data=str(question_file))
    assert evaluated.losses == pytest.approx(plain.losses, rel=1e-6)
    assert len(evaluated.validation_losses) == 3
    # The loss before step 2 is the loss after step 1, on the same questions.
    assert evaluated.validation_losses[:2] == pytest.approx(evaluated.losses[1:], rel=1e-3)


def test_the_best_step_is_kept_and_not_the_last(tiny_training, tiny_questions, tmp_path):
    """Validate on wrong labels: the better the run learns, the worse it gets there."""
    wrong = [(q, (q.label + 1) % len(q.options)) for q in tiny_questions]
    path = tmp_path / "wrong.jsonl"
    rows = [{"question": q.stem, "choices": q.options, "label": label} for q, label in wrong]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    trained = tiny_training("multiple_choice", max_steps=4, validation_data=str(path))
    losses = trained.validation_losses
    assert losses[-1] > 1.05 * min(losses)
    assert trained.record["best_step"] == 1 + losses.index(min(losses))
    assert trained.record["best_validation_value"] == min(losses)
    results = load_scorer(trained.folder, device="cpu").score_many(
        [type(q)(stem=q.stem, options=q.options, label=label) for q, label in wrong]
    )
    nats = [-math.log(result.probabilities[result.label]) for result in results]
    assert sum(nats) / len(nats) == pytest.approx(min(losses), rel=1e-3)


def test_a_resumed_run_ends_where_an_unbroken_one_does(
    reference, formulation_name, tiny_training, tmp_path, monkeypatch
):
    folder = str(tmp_path / "run")

    def power_cut(self, step):
        if step == 2:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("mcqa.training.progress.TrainingLog.on_save", power_cut)
        with pytest.raises(KeyboardInterrupt):
            tiny_training(formulation_name, **FEW, output=folder)
    with pytest.raises(ConfigError, match="holds an unfinished run"):
        tiny_training(formulation_name, **FEW, output=folder)
    resumed = tiny_training(formulation_name, **FEW, output=folder, resume=True)
    assert resumed.losses == pytest.approx(reference.losses, rel=1e-5)
    assert resumed.record["trained_sha256"] == reference.record["trained_sha256"]


@pytest.mark.bits
def test_a_resumed_run_logs_what_an_unbroken_one_does(
    formulation_name, tiny_training, question_file, tmp_path, monkeypatch
):
    """With dropout, accumulation, 8-bit states and a best step before the interruption."""
    settings = {"lora_dropout": 0.3, "batch_size": 5, "accumulation": 3, "optimizer": "adamw_8bit"}
    settings |= {"steps_between": 2, "epochs": 3, "max_steps": None, "learning_rate": 0.3}
    settings |= {"validation_data": str(question_file), "quantization": "nf4", "dtype": "bfloat16"}

    def power_cut(self, step):
        if step == 6:
            raise KeyboardInterrupt

    folders = [str(tmp_path / "unbroken"), str(tmp_path / "run")]
    unbroken = tiny_training(formulation_name, **settings, output=folders[0])
    with monkeypatch.context() as patch:
        patch.setattr("mcqa.training.progress.TrainingLog.on_save", power_cut)
        with pytest.raises(KeyboardInterrupt):
            tiny_training(formulation_name, **settings, output=folders[1])
    resumed = tiny_training(formulation_name, **settings, output=folders[1], resume=True)
    assert unbroken.record["steps"] == 9
    for name in ("trained_sha256", "train_loss", "best_step", "best_validation_value"):
        assert resumed.record[name] == unbroken.record[name]
    ours, theirs = (
        [json.loads(line) for line in (Path(folder) / LOG_FILE).open()] for folder in folders
    )
    for name in ("step", "epoch", "loss", "grad_norm", "learning_rate", "eval_loss", "total_flos"):
        assert [entry.get(name) for entry in ours] == [entry.get(name) for entry in theirs]


def test_a_run_resumed_in_its_second_epoch_goes_through_the_same_batches(
    tiny_training, tmp_path, monkeypatch
):
    settings = {"batch_size": 12, "epochs": 2, "max_steps": None}
    unbroken = tiny_training("multiple_choice", **settings)
    settings |= {"output": str(tmp_path / "run")}

    def power_cut(self, step):
        if step == 4:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("mcqa.training.progress.TrainingLog.on_save", power_cut)
        with pytest.raises(KeyboardInterrupt):
            tiny_training("multiple_choice", **settings)
    resumed = tiny_training("multiple_choice", **settings, resume=True)
    assert len(resumed.losses) == 6
    assert resumed.record["trained_sha256"] == unbroken.record["trained_sha256"]


def test_validation_does_not_depend_on_batches(formulation_name, tiny_training, question_file):
    validation = {"validation_data": str(question_file), "max_steps": 1, "learning_rate": 1e-12}
    whole = tiny_training(formulation_name, **validation)
    parts = tiny_training(formulation_name, **validation, batch_size=5)
    assert parts.validation_losses == pytest.approx(whole.validation_losses, rel=1e-5)


def test_weights_gathered_from_shards_become_the_same_run(
    reference, formulation_name, tiny_training, question_file, monkeypatch
):
    """What FSDP would gather is here what one process has; the rest of the way is the same."""
    monkeypatch.setattr("mcqa.system.processes.sharding", lambda: "FSDP")
    gathered = tiny_training(formulation_name, **FEW, validation_data=str(question_file))
    assert gathered.losses == pytest.approx(reference.losses, rel=1e-4)
    ours, theirs = (load_file(Path(run.folder) / ADAPTER_FILE) for run in (gathered, reference))
    assert all(ours[name] == pytest.approx(theirs[name], abs=1e-3) for name in theirs)
    assert gathered.record["validation_accuracy"] is None
    question = Question(stem="Which of these is a fruit?", options=("pear", "saw"))
    assert load_scorer(gathered.folder, device="cpu").score(question).choice in (0, 1)


def test_every_weight_gathered_from_shards_is_kept(tiny_training, monkeypatch):
    settings = FEW | {"recipe": "full", "learning_rate": 1e-3}
    usual = tiny_training("multiple_choice", **settings)
    monkeypatch.setattr("mcqa.system.processes.sharding", lambda: "DeepSpeed")
    gathered = tiny_training("multiple_choice", **settings)
    ours, theirs = (load_file(Path(run.folder) / TRAINED_FILE) for run in (gathered, usual))
    assert ours.keys() == theirs.keys()
    assert all(ours[name] == pytest.approx(theirs[name], abs=1e-3) for name in theirs)


def test_what_does_not_go_with_shards_is_refused_at_once(tiny_training, question_file, monkeypatch):
    monkeypatch.setattr("mcqa.system.processes.sharding", lambda: "DeepSpeed")
    settings = {"recipe": "adalora", "quantization": "nf4", "best_metric": "accuracy"}
    with pytest.raises(ConfigError) as refused:
        tiny_training("generative", **settings, validation_data=str(question_file))
    for told in ("recipe adalora: use full", "quantization nf4: use none", "best_metric accuracy"):
        assert told in str(refused.value)


@pytest.mark.parametrize(
    "changed",
    [
        {"learning_rate": 5e-3},
        {"warmup_steps": 2},
        {"weight_decay": 0.5},
        {"optimizer": "adamw_8bit"},
        {"max_steps": 2},
        {"limit": 30},
        {"batch_size": 9},
        {"lora_alpha": 8},
        {"lora_dropout": 0.3},
        {"rslora": False},
        {"target_modules": ("q_proj",)},
        {"template": "hybrid"},
        {"max_length": 30},
        {"quantization": "nf4"},
        {"dtype": "bfloat16"},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_no_setting_is_ignored(head_only, tiny_training, changed):
    other = tiny_training("multiple_choice", **FEW | changed)
    assert other.record["trained_sha256"] != head_only.record["trained_sha256"]


def test_a_finished_run_is_replaced_only_on_request(reference, formulation_name, tiny_training):
    before = read_record(reference.folder)
    with pytest.raises(ConfigError, match="holds a finished run"):
        tiny_training(formulation_name, **FEW, output=reference.folder)
    assert read_record(reference.folder) == before


@pytest.mark.parametrize(
    "fault", [{"model": "./missing"}, {"data": "missing.jsonl"}, {"max_length": 8}]
)
def test_a_faulty_request_to_overwrite_leaves_the_old_run(tiny_training, tmp_path, fault):
    folder = tmp_path / "run"
    tiny_training("multiple_choice", max_steps=1, output=str(folder))
    before = read_record(folder)
    with pytest.raises(McqaError):
        tiny_training("multiple_choice", output=str(folder), overwrite=True, **fault)
    assert read_record(folder) == before


def test_overwriting_replaces_the_run(tiny_training, tmp_path):
    folder = str(tmp_path / "run")
    first = tiny_training("multiple_choice", max_steps=1, output=folder)
    second = tiny_training("generative", max_steps=2, output=folder, overwrite=True)
    assert first.record["formulation"] == "multiple_choice"
    assert read_record(folder) == second.record
    assert not any(Path(folder).glob("checkpoints/checkpoint-1"))


def test_overwriting_deletes_no_folder_that_is_not_a_run(tiny_training, tmp_path):
    thesis = tmp_path / "thesis.tex"
    thesis.write_text("years of work")
    try:
        tiny_training("multiple_choice", max_steps=1, output=str(tmp_path), overwrite=True)
    except ConfigError as error:
        assert str(tmp_path) in str(error)  # noqa: PT017  refusing is as good as keeping
    assert thesis.exists()


def test_the_token_that_ends_a_completion_has_a_position_too(
    formulation_name, tiny_training, tiny_tokenizer, tiny_questions, tmp_path
):
    """GPT-2 has a table of positions, and fails behind its end."""
    config = GPT2Config(
        vocab_size=len(tiny_tokenizer), n_embd=64, n_layer=1, n_head=2, n_positions=64
    )
    GPT2LMHeadModel(config).save_pretrained(tmp_path)
    tiny_tokenizer.save_pretrained(tmp_path)
    data = tmp_path / "long.jsonl"
    row = {"question": "q" * 100, "choices": ["pear", "saw"], "label": 0}  # a token a letter
    data.write_text(json.dumps(row) + "\n")
    run = tiny_training(formulation_name, **FEW, model=str(tmp_path), data=str(data))
    ends = formulation_name == "generative"
    assert run.record["max_length"] == 64 - ends
    assert load_scorer(run.folder, device="cpu").encoder.max_length == 64 - ends


def test_training_refuses_a_question_without_label(tiny_training, tmp_path):
    path = tmp_path / "unlabelled.jsonl"
    path.write_text('{"id": "q-3", "question": "Which?", "choices": ["a", "b"], "label": null}\n')
    with pytest.raises(McqaError, match="q-3"):
        tiny_training("generative", data=str(path))


def test_training_refuses_a_run_of_the_other_formulation(
    reference, formulation_name, tiny_training
):
    (other,) = {"generative", "multiple_choice"} - {formulation_name}
    with pytest.raises(ConfigError, match="cannot go on from it"):
        tiny_training(other, model=reference.folder)
