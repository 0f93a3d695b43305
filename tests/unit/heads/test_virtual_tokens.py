"""Virtual tokens in front of branched rows, against transformers run on each row alone."""

import copy

import pytest
import torch
from transformers import DynamicCache, MistralConfig, MistralForCausalLM

from heads.branching import pack
from heads.likelihood import completion_loss
from heads.trunk import hidden_states

PREFIXES = [[5, 6, 7], [8]]
OPTIONS = [[[9], [10, 11], [12]], [[13], [14, 15]]]
N_VIRTUAL = 4


@pytest.fixture(params=["full", "window"])
def model(request, tiny_model):
    if request.param == "full":
        return copy.deepcopy(tiny_model)
    config = MistralConfig(
        vocab_size=32,
        hidden_size=32,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        sliding_window=3,
    )
    return MistralForCausalLM(config).eval()


def embeddings(model):
    rows = torch.randn(1, N_VIRTUAL, model.config.hidden_size)
    return lambda n: rows.expand(n, -1, -1)


def keys_and_values(model):
    config = model.config
    width = config.hidden_size // config.num_attention_heads
    shape = (1, config.num_key_value_heads, N_VIRTUAL, width)
    layers = [(torch.randn(shape), torch.randn(shape)) for _ in range(config.num_hidden_layers)]
    return lambda n: DynamicCache([tuple(t.expand(n, -1, -1, -1) for t in kv) for kv in layers])


def alone(model, prompt, tokens):
    """Return the last hidden states of one row, the virtual tokens left out."""
    virtual, ids = prompt(1), torch.tensor([tokens])
    if isinstance(virtual, torch.Tensor):
        inputs = torch.cat((virtual, model.model.embed_tokens(ids)), dim=1)
        return model.model(inputs_embeds=inputs).last_hidden_state[0, N_VIRTUAL:]
    return model.model(input_ids=ids, past_key_values=virtual).last_hidden_state[0]


@pytest.mark.parametrize("kind", [embeddings, keys_and_values])
@torch.no_grad()
def test_every_option_sees_the_virtual_tokens_its_prefix_and_itself(model, kind):
    model.soft_prompt = kind(model)
    batch = pack(PREFIXES, OPTIONS)
    hidden = hidden_states(model, batch.input_ids, batch.position_ids, batch.branch_ids)
    for question, (prefix, options) in enumerate(zip(PREFIXES, OPTIONS, strict=True)):
        for index, option in enumerate(options):
            start, end = batch.option_spans[question, index]
            expected = alone(model, model.soft_prompt, prefix + option)[len(prefix) :]
            torch.testing.assert_close(hidden[start:end], expected, rtol=1e-4, atol=1e-4)


@torch.no_grad()
def test_plain_rows_of_different_lengths_do_not_see_padding(model):
    model.soft_prompt = embeddings(model)
    rows = [[5, 6, 7, 8, 9], [10]]
    batch = pack(rows, [[()]] * 2)
    hidden = hidden_states(model, batch.input_ids, batch.position_ids, batch.branch_ids)
    for row, tokens in zip(hidden.view(2, 5, -1), rows, strict=True):
        expected = alone(model, model.soft_prompt, tokens)
        torch.testing.assert_close(row[: len(tokens)], expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("kind", [embeddings, keys_and_values])
@torch.no_grad()
def test_a_completion_is_learned_behind_the_virtual_tokens(model, kind):
    model.soft_prompt = kind(model)
    rows, n_known = [[5, 6, 7, 8, 9, 4], [10, 11, 3]], 2
    packed = pack(rows, [[()]] * 2)
    labels = torch.full_like(packed.input_ids, -100)
    nats = []
    for row, tokens in zip(labels, rows, strict=True):
        row[n_known : len(tokens)] = torch.tensor(tokens[n_known:])
        predicted = model.lm_head(alone(model, model.soft_prompt, tokens)).log_softmax(-1)
        nats += [-predicted[i - 1, tokens[i]] for i in range(n_known, len(tokens))]
    loss = completion_loss(model, packed.input_ids, packed.branch_ids, labels)
    torch.testing.assert_close(loss, torch.stack(nats).mean(), rtol=1e-4, atol=1e-4)
