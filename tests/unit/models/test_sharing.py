"""Scorers on one base hold its weights once, and each scores as if it were alone."""

import gc

import pytest
import torch

from mcqa.formulations import get_formulation
from mcqa.models.recipes.building import add_recipe, finish
from mcqa.models.sharing import _bases, tensor_parts
from mcqa.runs.trained import save_run
from mcqa.scoring.loading import load_scorer

SETTINGS = {
    "lora": {
        "lora_r": 4,
        "lora_alpha": 4,
        "lora_dropout": 0.0,
        "rslora": True,
        "target_modules": (),
    },
    "bitfit": {},
    "layernorm": {},
    "full": {},
}


@pytest.fixture
def make_run(tiny_model_folder, tiny_tokenizer, tmp_path):
    """Write a run with random numbers where training would have put others; return its folder."""

    def make(name, formulation_name, recipe="lora", quantization="none", seed=0):
        formulation = get_formulation(formulation_name)
        how = {"quantization": quantization, "dtype": "float32", "device": "cpu"}
        base = formulation.load_backbone(str(tiny_model_folder), **how)
        model = add_recipe(base, recipe, **SETTINGS[recipe])
        noise = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for parameter in model.parameters():
                if parameter.requires_grad:
                    parameter.add_(torch.randn(parameter.shape, generator=noise), alpha=0.1)
        model = finish(
            model, recipe, dtype=torch.float32, generates=formulation_name == "generative"
        )
        record = {
            "formulation": formulation_name,
            "template": "cloze",
            "base_model": str(tiny_model_folder),
            "quantization": quantization,
            "dtype": "float32",
            "max_length": 128,
            "recipe": recipe,
            "recipe_settings": SETTINGS[recipe],
        }
        (tmp_path / name).mkdir()
        save_run(tmp_path / name, model, tiny_tokenizer, record, "# A card\n")
        return str(tmp_path / name)

    return make


@pytest.fixture(autouse=True)
def _nothing_is_shared_yet():
    gc.collect()
    _bases.clear()  # other tests may hold models still


def memory(*scorers):
    """Return the bytes that lie at each address which the scorers' models use."""
    tensors = [t for s in scorers for t in (*s.model.parameters(), *s.model.buffers())]
    storages = [part.untyped_storage() for tensor in tensors for part in tensor_parts(tensor)]
    return {storage.data_ptr(): storage.nbytes() for storage in storages}


@pytest.mark.parametrize("quantization", ["none", "nf4", "int8"])
@pytest.mark.parametrize("formulation", ["generative", "multiple_choice"])
def test_the_second_of_two_runs_takes_the_memory_of_its_adapter_alone(
    make_run, tiny_questions, formulation, quantization
):
    folders = [
        make_run(name, formulation, quantization=quantization, seed=seed)
        for seed, name in enumerate("ab")
    ]
    alone = []
    for folder in folders:
        scorer = load_scorer(folder, device="cpu")
        alone.append(scorer.score_many(tiny_questions))
        del scorer
        gc.collect()
        assert not _bases
    assert alone[0] != alone[1]

    a, b = (load_scorer(folder, device="cpu") for folder in folders)
    more = sum(memory(a, b).values()) - sum(memory(a).values())
    sides = 2 * (128 + 96 + 96 + 128 + 3 * 192)  # in + out of all projections of two layers
    head = 64 if formulation == "multiple_choice" else 0
    assert more == 4 * (4 * sides + head)
    for scorer, expected in ((b, alone[1]), (a, alone[0]), (b, alone[1]), (a, alone[0])):
        assert scorer.score_many(tiny_questions) == expected


@pytest.mark.parametrize("quantization", ["none", "nf4", "int8"])
def test_runs_of_both_formulations_share_what_they_have_in_common(
    make_run, tiny_questions, quantization
):
    names = ("generative", "multiple_choice")
    folders = [make_run(name, name, quantization=quantization) for name in names]
    alone = []
    for folder in folders:
        scorer = load_scorer(folder, device="cpu")
        alone.append(scorer.score_many(tiny_questions))
        del scorer
        gc.collect()
    for order in ((0, 1), (1, 0)):
        scorers = {n: load_scorer(folders[n], device="cpu") for n in order}
        for n in (*order, *order):
            assert scorers[n].score_many(tiny_questions) == alone[n]
        generative, head = (scorers[n] for n in (0, 1))
        shared = memory(generative).keys() & memory(head).keys()
        trunk = sum(memory(generative)[address] for address in shared)
        lm_head, adapter = 384 * 64 * 4, 4 * 4 * 2 * (128 + 96 + 96 + 128 + 3 * 192)
        assert sum(memory(generative).values()) == trunk + lm_head + adapter
        assert sum(memory(head).values()) == trunk + 2 * 64 * 4 + adapter  # the untrained head too
        del scorers, generative, head
        gc.collect()


def test_the_base_itself_shares_with_its_runs_and_stays_as_it_is(
    make_run, tiny_model_folder, tiny_questions
):
    plain = {"dtype": "float32", "device": "cpu"}
    base = load_scorer(str(tiny_model_folder), **plain)
    expected = base.score_many(tiny_questions)
    weights = {name: tensor.clone() for name, tensor in base.model.state_dict().items()}
    runs = [load_scorer(make_run(name, "generative", name), **plain) for name in SETTINGS]
    answers = [scorer.score_many(tiny_questions) for scorer in runs]
    assert all(answer != expected for answer in answers)
    assert len({str(answer) for answer in answers}) == len(SETTINGS)
    for name, tensor in base.model.state_dict().items():
        assert torch.equal(tensor, weights[name]), name
    assert not any(parameter.requires_grad for parameter in base.model.parameters())
    assert base.score_many(tiny_questions) == expected
    assert len(_bases) == 1
    of_base, of_full = memory(base), memory(runs[-1])
    norms = 5 * 64 * 4
    assert sum(memory(base, runs[2]).values()) == sum(of_base.values()) + norms
    assert not of_base.keys() & of_full.keys()  # `full` has every weight of its own


def test_a_base_that_was_written_anew_is_another_one(
    tiny_model_folder, tiny_tokenizer, tiny_model, tiny_questions, tmp_path
):
    tiny_model.save_pretrained(tmp_path)
    tiny_tokenizer.save_pretrained(tmp_path)
    first = load_scorer(str(tmp_path), dtype="float32", device="cpu")
    weights = tmp_path / "model.safetensors"
    data = bytearray(weights.read_bytes())
    data[-64 * 4 :] = bytes(64 * 4)  # the last 64 numbers become 0
    (tmp_path / "new").write_bytes(data)
    (tmp_path / "new").replace(weights)  # what is loaded may lie in the old file
    second = load_scorer(str(tmp_path), dtype="float32", device="cpu")
    answers = [scorer.score_many(tiny_questions) for scorer in (first, second)]
    assert answers[0] != answers[1]
