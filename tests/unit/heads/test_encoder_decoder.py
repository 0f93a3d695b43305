"""An encoder-decoder's likelihoods, held against its own forward, one option at a time."""

import pytest
import torch
from transformers import T5Config, T5ForConditionalGeneration

from heads.branching import pack
from heads.likelihood import (
    add_training_forward,
    next_token_log_probabilities,
    option_log_likelihoods,
)

PREFIXES = [[5, 6, 7, 1], [8, 9, 1]]
OPTIONS = [[[10, 11], [12], [10, 11, 13]], [[20], [21, 22]]]


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    config = T5Config(
        vocab_size=64,
        d_model=32,
        d_kv=8,
        d_ff=64,
        num_layers=2,
        num_heads=4,
        decoder_start_token_id=0,
        pad_token_id=0,
        dropout_rate=0.0,
    )
    return add_training_forward(T5ForConditionalGeneration(config).eval())


def plain_loss(model, prefix, option):
    return model(input_ids=torch.tensor([prefix]), labels=torch.tensor([option])).loss


@torch.no_grad()
def test_every_option_is_worth_what_the_model_itself_gives_it(model):
    scores = option_log_likelihoods(model, pack(PREFIXES, OPTIONS))
    for row, prefix, options in zip(scores, PREFIXES, OPTIONS, strict=True):
        for score, option in zip(row, options, strict=False):
            expected = -plain_loss(model, prefix, option) * len(option)
            torch.testing.assert_close(score, expected, rtol=1e-5, atol=1e-5)
    assert scores[1, 2] == 0


@torch.no_grad()
def test_the_next_token_is_the_decoders_first(model):
    ours = next_token_log_probabilities(model, pack(PREFIXES, [[()]] * 2))
    for row, prefix in zip(ours, PREFIXES, strict=True):
        start = torch.tensor([[0]])
        logits = model(input_ids=torch.tensor([prefix]), decoder_input_ids=start).logits[0, 0]
        torch.testing.assert_close(row, logits.log_softmax(-1), rtol=1e-5, atol=1e-5)


def test_the_completion_loss_is_the_mean_over_all_labelled_tokens(model):
    completions = [[10, 11, 1], [20, 1]]
    rows = [p + c for p, c in zip(PREFIXES, completions, strict=True)]
    batch = pack(rows, [[()]] * 2)
    labels = torch.full_like(batch.input_ids, -100)
    for row, prefix, completion in zip(labels, PREFIXES, completions, strict=True):
        row[len(prefix) : len(prefix) + len(completion)] = torch.tensor(completion)
    loss = model(batch.input_ids, branch_ids=batch.branch_ids, labels=labels).loss
    pairs = zip(PREFIXES, completions, strict=True)
    expected = sum(plain_loss(model, p, c) * len(c) for p, c in pairs) / 5
    torch.testing.assert_close(loss, expected, rtol=1e-5, atol=1e-5)
    doubled = model(
        batch.input_ids, branch_ids=batch.branch_ids, labels=labels, num_items_in_batch=10
    ).loss
    torch.testing.assert_close(doubled, loss / 2)
