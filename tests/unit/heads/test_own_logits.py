"""The logits are the model's own, whatever it does with states; none too many pays for them."""

import copy

import pytest
import torch
from transformers import (
    AutoModelForMultipleChoice,
    CohereConfig,
    CohereForCausalLM,
    Gemma2Config,
    Gemma2ForCausalLM,
    GraniteConfig,
    GraniteForCausalLM,
    PhiConfig,
    PhiForCausalLM,
)

from heads.branching import pack
from heads.likelihood import add_training_forward, completion_loss, option_log_likelihoods
from heads.own_logits import own_logits

SIZES = {
    "vocab_size": 96,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "initializer_range": 0.2,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
CAPPED = {"num_key_value_heads": 2, "head_dim": 8, "final_logit_softcapping": 1.5}
MODELS = {
    "cap": lambda: Gemma2ForCausalLM(Gemma2Config(**SIZES, **CAPPED)),
    "scale": lambda: GraniteForCausalLM(GraniteConfig(**SIZES, logits_scaling=8.0)),
    "other scale": lambda: CohereForCausalLM(CohereConfig(**SIZES, logit_scale=0.25)),
    "bias": lambda: PhiForCausalLM(PhiConfig(**SIZES)),
}
IDS = torch.tensor([[5, 6, 7, 8, 9, 10]])


@pytest.fixture(params=MODELS)
def model(request):
    model = MODELS[request.param]().eval()
    bias = model.get_output_embeddings().bias
    if bias is not None:
        torch.nn.init.normal_(bias)
    return model


@torch.no_grad()
def test_they_are_those_of_the_models_own_forward(model):
    states = model.base_model(IDS).last_hidden_state[0]
    torch.testing.assert_close(own_logits(model, states), model(IDS).logits[0])


def test_the_completion_loss_is_the_models_own(model):
    labels = IDS.clone()
    labels[:, :3] = -100
    loss = completion_loss(model, IDS, torch.zeros_like(IDS), labels)
    torch.testing.assert_close(loss, model(IDS, labels=labels).loss)


@torch.no_grad()
def test_without_more_they_are_the_lm_head_to_the_last_bit(tiny_model):
    for dtype in (torch.float32, torch.bfloat16):
        model = copy.deepcopy(tiny_model).to(dtype)
        states = torch.randn(7, 64).to(dtype)
        assert torch.equal(own_logits(model, states), model.lm_head(states).float())


@torch.no_grad()
def test_only_states_that_predict_an_options_token_go_through_the_head(tiny_model):
    rows = []
    handle = tiny_model.lm_head.register_forward_hook(lambda _, x, __: rows.append(x[0].shape))
    option_log_likelihoods(tiny_model, pack([[5, 6, 7]], [[[8, 9], [10]]]))
    handle.remove()
    assert rows == [(1, 2, 64)]  # the prefix's last token, and the first of the longer option


@torch.no_grad()
def test_a_head_that_was_changed_counts_at_once(tiny_model):
    model, states = copy.deepcopy(tiny_model), torch.randn(3, 64)
    before = own_logits(model, states)
    model.lm_head = torch.nn.Sequential(model.lm_head, torch.nn.Softmax(-1))  # as adapters wrap it
    torch.testing.assert_close(own_logits(model, states), before.softmax(-1))


@torch.no_grad()
def test_the_head_that_a_multiple_choice_model_keeps_caps_too(tmp_path):
    source = MODELS["cap"]().eval()
    source.save_pretrained(tmp_path)
    model = AutoModelForMultipleChoice.from_pretrained(
        tmp_path, multiple_choice={"lm_loss_weight": 0.5}
    )
    assert "without_weights" not in str(model.state_dict().keys())
    batch = pack([[5, 6, 7]], [[[8, 9], [10]]])
    torch.testing.assert_close(
        option_log_likelihoods(model.eval(), batch), option_log_likelihoods(source, batch)
    )
    assert own_logits(model, torch.randn(3, 32) * 100).abs().max() <= 1.5


def test_a_forward_that_a_trainer_put_on_the_model_is_not_called_within_itself(tiny_model):
    model = add_training_forward(copy.deepcopy(tiny_model))
    own, calls = model.forward, []

    def forward(*arguments, **settings):
        calls.append(1)
        return own(*arguments, **settings)

    model.forward = forward
    model(IDS, branch_ids=torch.zeros_like(IDS), labels=IDS)
    assert calls == [1]
