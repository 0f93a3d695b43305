"""A run folder gives back the very model that was saved, or says what is wrong with it."""

import json

import pytest
import torch

from heads.branching import pack
from heads.likelihood import option_log_likelihoods
from mcqa.errors import ModelError
from mcqa.formulations import NAMES, get_formulation
from mcqa.models.adapters import add_lora
from mcqa.runs.trained import (
    ADAPTER_FILE,
    attach_adapter,
    read_record,
    save_run,
    trained_checksum,
)

BATCH = pack([[5, 6, 7], [8]], [[[9], [10, 11], [12]], [[13], [14, 15]]])


@torch.no_grad()
def scores(name, peft_model):
    model = peft_model.eval().get_base_model()
    if name == "generative":
        return option_log_likelihoods(model, BATCH)
    return model(**BATCH.as_dict()).logits


@pytest.fixture
def backbone(tiny_model_folder):
    def load(name, quantization="none"):
        return get_formulation(name).load_backbone(
            str(tiny_model_folder), quantization=quantization, dtype="bfloat16", device="cpu"
        )

    return load


@pytest.fixture
def trained(backbone):
    """An adapter (and head) with random numbers in every tensor, as if it had been trained."""

    def build(name, quantization="none"):
        base = backbone(name, quantization)
        model = add_lora(base, lora_r=4)
        with torch.no_grad():
            for parameter in model.parameters():
                if parameter.requires_grad:
                    parameter.normal_(std=0.1)
        return model

    return build


@pytest.fixture
def save(tiny_model_folder, tiny_tokenizer, tmp_path):
    def write(name, model, quantization="none"):
        record = {
            "formulation": name,
            "template": "cloze",
            "base_model": str(tiny_model_folder),
            "quantization": quantization,
            "dtype": "bfloat16",
            "max_length": 128,
        }
        return tmp_path, save_run(tmp_path, model, tiny_tokenizer, record, "# A card\n")

    return write


@pytest.mark.bits
@pytest.mark.parametrize("quantization", ["nf4", "int8", "none"])
@pytest.mark.parametrize("name", NAMES)
def test_a_saved_model_scores_bit_for_bit_as_before(name, quantization, trained, save, backbone):
    model = trained(name, quantization)
    before = scores(name, model)
    folder, record = save(name, model, quantization)
    loaded = attach_adapter(backbone(name, quantization), folder, read_record(folder))
    assert torch.equal(scores(name, loaded), before)
    assert not torch.equal(before, scores(name, add_lora(backbone(name, quantization), lora_r=4)))
    assert not loaded.training
    assert record == read_record(folder)
    assert record["trained_sha256"] == trained_checksum(loaded)
    assert record["adapter_bytes"] == (folder / ADAPTER_FILE).stat().st_size
    # 4 * (in + out) numbers a layer, in float32, and 64 for the head; the rest is the header.
    payload = 4 * (4 * 2 * 1024 + (64 if name == "multiple_choice" else 0))
    assert payload < record["adapter_bytes"] < payload + 6000


def test_a_run_folder_holds_what_it_says(trained, save, tiny_model_folder, tiny_tokenizer):
    folder, _ = save("generative", trained("generative"))
    present = {path.name for path in folder.iterdir()}
    assert present >= {ADAPTER_FILE, "adapter_config.json", "tokenizer.json", "run.json"}
    assert (folder / "README.md").read_text() == "# A card\n"
    settings = json.loads((folder / "adapter_config.json").read_text())
    assert settings["base_model_name_or_path"] == str(tiny_model_folder)


def test_run_json_is_written_last(trained, save, tmp_path, monkeypatch):
    monkeypatch.setattr("mcqa.runs.trained.write_whole", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        save("generative", trained("generative"))
    assert (tmp_path / ADAPTER_FILE).exists()
    assert not (tmp_path / "run.json").exists()


def test_a_run_is_not_saved_through_links(trained, save, tmp_path, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    names = (ADAPTER_FILE, "adapter_config.json", "tokenizer.json", "README.md", "run.json")
    for name in names:
        (elsewhere / name).write_text("precious")
        (tmp_path / name).symlink_to(elsewhere / name)
    save("generative", trained("generative"))
    assert {(elsewhere / name).read_text() for name in names} == {"precious"}
    assert not [path for path in tmp_path.iterdir() if path.is_symlink()]


def test_the_checksum_sees_every_trained_number_and_no_other(trained):
    model = trained("multiple_choice")
    before = trained_checksum(model)
    parameters = dict(model.named_parameters())
    for name, parameter in parameters.items():
        if parameter.requires_grad:
            kept = parameter.data.clone()
            parameter.data.view(-1)[-1] += 1
            assert trained_checksum(model) != before, name
            parameter.data = kept
    next(p for p in parameters.values() if not p.requires_grad).data.add_(1)
    assert trained_checksum(model) == before


def cut_short(path):
    path.write_bytes(path.read_bytes()[:-100])


def flip_a_bit(path):
    content = bytearray(path.read_bytes())
    content[-5] ^= 1
    path.write_bytes(content)


def replace_by_nonsense(path):
    path.write_bytes(b"nonsense")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "damage", [cut_short, flip_a_bit, replace_by_nonsense, lambda p: p.unlink()]
)
def test_a_damaged_or_missing_adapter_is_refused(name, damage, trained, save, backbone):
    folder, record = save(name, trained(name))
    damage(folder / ADAPTER_FILE)
    with pytest.raises(ModelError, match=str(folder)):
        attach_adapter(backbone(name), folder, record)


@pytest.mark.parametrize("damage", [cut_short, replace_by_nonsense, lambda p: p.unlink()])
def test_a_damaged_or_missing_adapter_configuration_is_refused(damage, trained, save, backbone):
    folder, record = save("generative", trained("generative"))
    damage(folder / "adapter_config.json")
    with pytest.raises(ModelError, match=str(folder)):
        attach_adapter(backbone("generative"), folder, record)


def test_an_adapter_of_another_rank_is_refused(trained, save, backbone):
    folder, record = save("generative", trained("generative"))
    path = folder / "adapter_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"r": 8}))
    with pytest.raises(ModelError, match=str(folder)):
        attach_adapter(backbone("generative"), folder, record)


def test_an_adapter_without_its_head_is_refused(trained, save, backbone):
    from safetensors.torch import load_file, save_file

    folder, record = save("multiple_choice", trained("multiple_choice"))
    tensors = load_file(folder / ADAPTER_FILE)
    without = {name: tensor for name, tensor in tensors.items() if "option_head" not in name}
    assert len(without) == len(tensors) - 1
    save_file(without, folder / ADAPTER_FILE, metadata={"format": "pt"})
    with pytest.raises(ModelError, match=str(folder)):
        attach_adapter(backbone("multiple_choice"), folder, record)


@pytest.mark.parametrize("changed", [{"trained_sha256": "0" * 64}, {"trained_sha256": None}])
def test_a_checksum_of_something_else_is_refused(changed, trained, save, backbone):
    folder, record = save("generative", trained("generative"))
    with pytest.raises(ModelError, match="changed or damaged"):
        attach_adapter(backbone("generative"), folder, record | changed)


@pytest.mark.parametrize("content", ["", "{", "null", "[]", "7", '"text"', "\x00", "{}"])
def test_a_record_that_is_none_is_refused(tmp_path, content):
    (tmp_path / "run.json").write_text(content)
    with pytest.raises(ModelError, match=r"run\.json"):
        read_record(tmp_path)


def test_a_missing_record_is_refused_and_a_missing_field_is_named(tmp_path):
    with pytest.raises(ModelError, match=r"run\.json: cannot be read"):
        read_record(tmp_path)
    (tmp_path / "run.json").write_text('{"formulation": "generative", "template": "cloze"}')
    with pytest.raises(ModelError, match="it lacks base_model, quantization, dtype, max_length"):
        read_record(tmp_path)
