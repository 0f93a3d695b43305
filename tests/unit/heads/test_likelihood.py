"""Log-likelihoods of options: branched, one row per option, and one plain forward per option."""

import copy
import inspect

import pytest
import torch
from transformers import Gemma2Config, Gemma2ForCausalLM, Qwen2Config, Qwen2ForCausalLM

from heads.branching import pack, pack_rows
from heads.likelihood import (
    add_training_forward,
    completion_loss,
    next_token_log_probabilities,
    option_log_likelihoods,
)

CLOSE = {"rtol": 1e-5, "atol": 1e-5}


@torch.no_grad()
def scored(model, prefixes, continuations, layout=pack):
    return option_log_likelihoods(model, layout(prefixes, continuations))


def test_branched_equals_rows_equals_a_plain_forward_per_option(
    tiny_model, random_questions, plain_log_likelihoods
):
    prefixes, continuations = random_questions.prefixes, random_questions.continuations
    branched = scored(tiny_model, prefixes, continuations)
    torch.testing.assert_close(branched, scored(tiny_model, prefixes, continuations, pack_rows))
    for scores, prefix, options in zip(branched, prefixes, continuations, strict=True):
        plain = plain_log_likelihoods(tiny_model, prefix, options)
        assert scores[: len(options)].tolist() == pytest.approx(plain, rel=1e-5)
        assert scores[len(options) :].eq(0).all()
    assert branched.dtype == torch.float32


def test_the_model_tells_the_random_options_apart(tiny_model, random_questions):
    scores = scored(tiny_model, random_questions.prefixes, random_questions.continuations)
    assert scores[1].std() > 1


SMALL = {
    "vocab_size": 384,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
}


@pytest.mark.parametrize(
    "build",
    [
        lambda: Qwen2ForCausalLM(Qwen2Config(**SMALL, initializer_range=0.2)),
        # It caps its logits, at a value that bites here.
        lambda: Gemma2ForCausalLM(
            Gemma2Config(**SMALL, head_dim=8, initializer_range=0.2, final_logit_softcapping=1.5)
        ),
    ],
    ids=["qwen2", "gemma2"],
)
@pytest.mark.parametrize("layout", [pack, pack_rows])
def test_other_decoders_give_the_numbers_of_their_own_forward(
    build, layout, random_questions, plain_log_likelihoods
):
    model = build().eval()
    prefix, options = random_questions.prefixes[1], random_questions.continuations[1]
    scores = scored(model, [prefix], [options], layout)[0]
    plain = plain_log_likelihoods(model, prefix, options)
    assert scores.tolist() == pytest.approx(plain, rel=1e-5)


@pytest.mark.parametrize("layout", [pack, pack_rows])
def test_an_empty_option_is_certain_and_disturbs_nobody(tiny_model, layout):
    full = scored(tiny_model, [[5, 6, 7]], [[[8], [9, 10]]])
    with_empty = scored(tiny_model, [[5, 6, 7]], [[[8], [], [9, 10]]], layout)
    assert with_empty[0, 1] == 0
    torch.testing.assert_close(with_empty[:, [0, 2]], full, **CLOSE)


def test_an_option_is_worth_the_same_wherever_it_stands(tiny_model, random_questions):
    prefix, options = random_questions.prefixes[1], random_questions.continuations[1]
    order = torch.randperm(len(options))
    scores = scored(tiny_model, [prefix], [options])
    reordered = scored(tiny_model, [prefix], [[options[i] for i in order]])
    torch.testing.assert_close(reordered, scores[:, order], **CLOSE)


def test_a_question_is_worth_the_same_in_any_batch(tiny_model, random_questions):
    prefixes, continuations = random_questions.prefixes, random_questions.continuations
    together = scored(tiny_model, prefixes, continuations)
    for row, (prefix, options) in enumerate(zip(prefixes, continuations, strict=True)):
        alone = scored(tiny_model, [prefix], [options])
        torch.testing.assert_close(together[row, : len(options)], alone[0], **CLOSE)


def test_the_pad_token_may_be_any_token(tiny_model, random_questions):
    arguments = random_questions.prefixes, random_questions.continuations
    with torch.no_grad():
        zero, other = (option_log_likelihoods(tiny_model, pack(*arguments, pad)) for pad in (0, 77))
    torch.testing.assert_close(zero, other, **CLOSE)


@pytest.mark.parametrize("layout", [pack, pack_rows])
def test_chunks_of_the_lm_head_change_no_number(tiny_model, random_questions, layout, monkeypatch):
    arguments = tiny_model, random_questions.prefixes, random_questions.continuations, layout
    whole = scored(*arguments)
    monkeypatch.setattr("heads.likelihood.CHUNK", 3)
    torch.testing.assert_close(scored(*arguments), whole, **CLOSE)


def test_bfloat16_scores_are_finite_and_near(tiny_model, random_questions):
    arguments = random_questions.prefixes, random_questions.continuations
    half = scored(copy.deepcopy(tiny_model).bfloat16(), *arguments)
    assert half.isfinite().all()
    torch.testing.assert_close(half, scored(tiny_model, *arguments), rtol=0.05, atol=0.3)


@torch.no_grad()
def test_next_token_is_read_at_the_end_of_each_prefix(tiny_model, random_questions):
    prefixes = random_questions.prefixes
    actual = next_token_log_probabilities(tiny_model, pack(prefixes, [[()]] * len(prefixes)))
    for row, prefix in zip(actual, prefixes, strict=True):
        logits = tiny_model(torch.tensor([prefix]), use_cache=False).logits[0, -1]
        torch.testing.assert_close(row, logits.log_softmax(-1), **CLOSE)


@pytest.fixture
def training_batch():
    """Three right-padded rows; the labels leave out prompt and padding."""
    lengths, prompts = (12, 5, 9), (7, 1, 8)
    input_ids = torch.randint(2, 384, (3, 12))
    branch_ids = torch.full((3, 12), -1)
    labels = torch.full((3, 12), -100)
    for row, (length, prompt) in enumerate(zip(lengths, prompts, strict=True)):
        branch_ids[row, :length] = 0
        labels[row, prompt:length] = input_ids[row, prompt:length]
    return input_ids, branch_ids, labels


@pytest.mark.parametrize("num_items", [None, 40, torch.tensor(40)])
def test_completion_loss_and_gradients_are_those_of_the_causal_lm(
    tiny_model, training_batch, num_items
):
    input_ids, branch_ids, labels = training_batch
    mine, theirs = copy.deepcopy(tiny_model), copy.deepcopy(tiny_model)
    loss = completion_loss(mine, input_ids, branch_ids, labels, num_items)
    counted = {} if num_items is None else {"num_items_in_batch": num_items}
    attention = (branch_ids >= 0).long()
    expected = theirs(input_ids, attention_mask=attention, labels=labels, **counted).loss
    torch.testing.assert_close(loss, expected, rtol=1e-5, atol=0)
    loss.backward()
    expected.backward()
    for (name, ours), reference in zip(mine.named_parameters(), theirs.parameters(), strict=True):
        assert reference.grad.abs().max() > 0, name
        torch.testing.assert_close(ours.grad, reference.grad, rtol=1e-4, atol=1e-6)


def test_a_model_with_completion_loss_returns_it_from_its_forward(tiny_model, training_batch):
    input_ids, branch_ids, labels = training_batch
    model = add_training_forward(copy.deepcopy(tiny_model))
    for extra in (None, 40):
        output = model(input_ids, branch_ids=branch_ids, labels=labels, num_items_in_batch=extra)
        expected = completion_loss(tiny_model, input_ids, branch_ids, labels, extra)
        torch.testing.assert_close(output.loss, expected, rtol=1e-6, atol=0)


@torch.no_grad()
def test_completion_loss_leaves_everything_else_as_it_was(tiny_model, training_batch, tmp_path):
    input_ids, _, labels = training_batch
    model = add_training_forward(copy.deepcopy(tiny_model))
    before, after = (m(input_ids, labels=labels) for m in (tiny_model, model))
    assert torch.equal(before.loss, after.loss)
    assert torch.equal(before.logits, after.logits)
    settings = {"max_new_tokens": 5, "do_sample": False, "pad_token_id": 1}
    written = [m.generate(input_ids[:1], **settings) for m in (tiny_model, model)]
    assert torch.equal(*written)
    assert isinstance(model, type(tiny_model))
    assert type(model).__name__ == type(tiny_model).__name__
    assert type(tiny_model).forward is not type(model).forward
    signatures = [inspect.signature(m.forward) for m in (tiny_model, model)]
    assert signatures[0] == signatures[1]
    model.save_pretrained(tmp_path)
    again = type(tiny_model).from_pretrained(tmp_path)
    assert again.config.architectures == ["LlamaForCausalLM"]
    assert torch.equal(again(input_ids).logits, before.logits)
