"""A decoder that is checked against itself: what is found, and what is left as it was."""

import copy

import pytest
import torch
from architectures import CONFIGS, build
from transformers import (
    BertConfig,
    BertLMHeadModel,
    GPTNeoConfig,
    GPTNeoForCausalLM,
    LlamaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    MptConfig,
    MptForCausalLM,
)

from heads import checking
from heads.branching import pack
from heads.checking import DecoderError, check_decoder
from heads.likelihood import option_log_likelihoods
from heads.small_copy import small_copy
from heads.trunk import WAYS, choose_way

SIZES = {"vocab_size": 96, "num_hidden_layers": 2, "num_attention_heads": 4}
SIZES |= {"hidden_size": 32, "intermediate_size": 48, "num_key_value_heads": 2}


def check(model):
    model.eval()
    return check_decoder(model, model), model.base_model.right_ways


def gpt_neo(**settings):
    kinds = [[["global", "local"], 1]]
    sizes = {"vocab_size": 96, "hidden_size": 32, "num_layers": 2, "num_heads": 4}
    return GPTNeoForCausalLM(GPTNeoConfig(**sizes, attention_types=kinds, **settings))


@pytest.mark.parametrize("name", CONFIGS)
def test_the_registered_decoders_run_every_way(name):
    assert check(build(name)) == ("", WAYS)


def test_windows_far_longer_than_the_text_are_seen():
    assert check(MistralForCausalLM(MistralConfig(**SIZES, sliding_window=4096))) == ("", WAYS)
    reason, ways = check(gpt_neo(window_size=256))  # counts places, not positions
    assert "masked" not in ways
    assert reason == "branched options would not get the numbers of their own rows"


@torch.no_grad()
def test_a_decoder_that_counts_places_runs_rows_and_is_right(plain_log_likelihoods):
    sizes = {"d_model": 32, "n_heads": 4, "n_layers": 2, "vocab_size": 96}
    model = MptForCausalLM(MptConfig(**sizes, initializer_range=0.5)).eval()
    prefix, options = [11, 23, 35], [[17, 29, 41], [13], [37, 19]]
    batch = pack([prefix], [options])
    expected = plain_log_likelihoods(model, prefix, options)
    assert option_log_likelihoods(model, batch)[0].tolist() != pytest.approx(expected, rel=1e-3)
    check(model)
    assert option_log_likelihoods(model, batch)[0].tolist() == pytest.approx(expected, rel=1e-5)


def test_a_model_that_looks_ahead_is_refused():
    config = BertConfig(vocab_size=96, hidden_size=32, num_hidden_layers=2, num_attention_heads=4)
    with pytest.raises(DecoderError, match="looks ahead"):
        check(BertLMHeadModel(config))


class Shifted(LlamaForCausalLM):
    """Its forward knows its tokens, so that hidden states are not all that makes its logits."""

    def forward(self, input_ids=None, **others):
        output = super().forward(input_ids, **others)
        if input_ids is not None:
            output.logits = output.logits + torch.nn.functional.one_hot(input_ids, 384) * 5
        return output


def test_a_model_whose_rows_are_not_its_own_forward_is_refused(tiny_config):
    with pytest.raises(DecoderError, match="not those of its own forward pass"):
        check(Shifted(tiny_config))


def test_the_model_itself_is_asked_too_and_not_only_its_copy(tiny_model):
    model = copy.deepcopy(tiny_model)

    def count_places(_, __, embeddings):
        places = torch.arange(embeddings.shape[1])[:, None]
        return embeddings + torch.sin(places + torch.arange(64))

    model.get_input_embeddings().register_forward_hook(count_places)
    assert check_decoder(model, None) == ""
    reason, ways = check(model)
    assert (reason, ways) == (checking.OTHER_NUMBERS, frozenset())


def test_what_cannot_be_made_small_runs_rows(tiny_model, monkeypatch):
    monkeypatch.setattr("heads.small_copy.LARGEST", 1000)
    reason, ways = check(copy.deepcopy(tiny_model))
    assert "small copy cannot be run to check it (it would have" in reason
    assert not ways


def test_the_check_leaves_everything_as_it_was(tiny_model):
    model = copy.deepcopy(tiny_model).train()
    model.lm_head.requires_grad_(False)
    twin = copy.deepcopy(model).eval()
    learns = [p.requires_grad for p in model.parameters()]
    config, weights = model.config.to_dict(), copy.deepcopy(model.state_dict())
    state = torch.get_rng_state()
    check_decoder(model, twin)
    assert torch.equal(torch.get_rng_state(), state)
    assert model.training
    assert [p.requires_grad for p in model.parameters()] == learns
    assert all(p.grad is None for p in model.parameters())
    assert model.config.to_dict() == config
    assert all(torch.equal(weights[name], value) for name, value in model.state_dict().items())


def test_it_is_the_same_each_time(tiny_model):
    first, second = (small_copy(tiny_model).state_dict() for _ in range(2))
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_a_way_that_is_not_right_is_not_chosen():
    config = CONFIGS["llama"]()
    config._attn_implementation = "sdpa"
    long = pack([[5] * 1100], [[[1, 2], [3]]]).branch_ids
    with torch.no_grad():
        assert choose_way(config, long) == "cached"
        assert choose_way(config, long, {"masked"}) == "masked"
        assert choose_way(config, long, {"cached"}) == "rows"
        config._attn_implementation = "flash_attention_2"
        assert choose_way(config, long, {"masked"}) == "rows"


def test_what_damaged_weights_give_is_not_the_architectures_fault():
    model = LlamaForCausalLM(CONFIGS["llama"]()).eval()
    model.lm_head.weight.data[0, 0] = float("nan")
    assert check_decoder(model, model) == ""
