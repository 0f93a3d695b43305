"""Every decoder behind AutoModelForMultipleChoice: the same numbers in every layout."""

import pickle

import pytest
import torch
from architectures import CONFIGS, build
from transformers import AutoModelForCausalLM, AutoModelForMultipleChoice

from heads.branching import pack, pack_rows
from heads.caching import run_cached, run_rows
from heads.multiple_choice import multiple_choice_class
from heads.trunk import hidden_states

CLOSE = {"rtol": 1e-5, "atol": 1e-5}

pytestmark = pytest.mark.parametrize("name", CONFIGS)


@torch.no_grad()
def test_branched_equals_rows_equals_the_decoders_own_forward(name, random_questions):
    model = build(name)
    prefixes, continuations = random_questions.prefixes, random_questions.continuations
    branched = model(**pack(prefixes, continuations).as_dict()).logits
    rows = model(**pack_rows(prefixes, continuations).as_dict()).logits
    torch.testing.assert_close(branched, rows, **CLOSE)
    for scores, prefix, options in zip(branched, prefixes, continuations, strict=True):
        states = [
            model.base_model(torch.tensor([[*prefix, *option]])).last_hidden_state[0, -1]
            for option in options
        ]
        plain = torch.stack(states) @ model.option_head.weight[0]
        torch.testing.assert_close(scores[: len(options)], plain, **CLOSE)


@torch.no_grad()
@pytest.mark.parametrize("run", [run_rows, run_cached])
def test_rows_and_cache_give_the_states_of_the_mask(name, run, random_questions):
    model = build(name)
    batch = pack(random_questions.prefixes, random_questions.continuations)
    inputs = batch.input_ids, batch.position_ids, batch.branch_ids
    expected = hidden_states(model, *inputs)
    real = batch.branch_ids.flatten() >= 0
    got = run(model.base_model, *inputs)
    torch.testing.assert_close(got[real], expected[real], **CLOSE)


def test_an_auto_class_loads_what_a_causal_lm_saved(name, tmp_path):
    torch.manual_seed(0)
    source = AutoModelForCausalLM.from_config(CONFIGS[name]())
    source.save_pretrained(tmp_path)
    model = AutoModelForMultipleChoice.from_pretrained(
        tmp_path, dtype=torch.bfloat16, device_map="cpu", attn_implementation="eager"
    )
    assert type(model).__name__ == type(source.base_model).__name__.removesuffix("Model") + (
        "ForMultipleChoice"
    )
    expected, trunk = source.base_model.state_dict(), model.base_model.state_dict()
    assert trunk.keys() == expected.keys()
    assert all(torch.equal(trunk[key], expected[key].bfloat16()) for key in expected)
    assert model.option_head.weight.dtype == torch.float32
    assert model.option_head.weight.eq(0).all()
    assert model.config._attn_implementation == "eager"


@torch.no_grad()
def test_a_saved_model_says_what_it_is_and_comes_back(name, tmp_path, random_questions):
    model = build(name, pooling="mean", interaction="attention")
    model.save_pretrained(tmp_path)
    again = AutoModelForMultipleChoice.from_pretrained(tmp_path).eval()
    assert type(again) is type(model)
    assert again.config.architectures == [type(model).__name__]
    assert again.config.multiple_choice == model.config.multiple_choice
    batch = pack(random_questions.prefixes, random_questions.continuations).as_dict()
    assert torch.equal(again(**batch).logits, model(**batch).logits)


def test_the_class_can_be_pickled_and_is_made_once(name):
    model_class = type(build(name))
    assert pickle.loads(pickle.dumps(model_class)) is model_class
    assert multiple_choice_class(model_class.trunk_class) is model_class


def test_gradient_checkpointing_changes_no_gradient(name, random_questions):
    batch = pack(random_questions.prefixes, random_questions.continuations).as_dict()
    labels = torch.tensor([1, 7, 4, 0, 0])
    results = []
    for checkpointing in (False, True):
        model = build(name, lm_loss_weight=0.5)
        if name == "gpt2":
            model.config.update({"attn_pdrop": 0, "resid_pdrop": 0, "embd_pdrop": 0})
            for module in model.modules():
                if isinstance(module, torch.nn.Dropout):
                    module.p = 0.0
        if checkpointing:
            newer = hasattr(model, "activation_checkpointing_enable")  # transformers 5.23
            name = "activation" if newer else "gradient"
            getattr(model, f"{name}_checkpointing_enable")()
        loss = model.train()(**batch, labels=labels).loss
        loss.backward()
        results.append((loss.item(), model.base_model.get_input_embeddings().weight.grad))
    assert results[0][0] == pytest.approx(results[1][0], rel=1e-5)
    torch.testing.assert_close(results[0][1], results[1][1], **CLOSE)
    assert results[0][1].abs().max() > 0
