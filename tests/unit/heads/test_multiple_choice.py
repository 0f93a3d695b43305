"""LlamaForMultipleChoice: the same logits in every layout, and a head that loads as it should."""

import logging

import pytest
import torch
from transformers import BitsAndBytesConfig, LlamaForCausalLM

from heads.branching import pack, pack_rows
from heads.multiple_choice import HEAD_NAME, LlamaForMultipleChoice
from heads.option_head import OptionHead
from heads.targets import BINARY, OWN, SOFTMAX

CLOSE = {"rtol": 1e-5, "atol": 1e-5}
QUANTIZED = {
    "none": None,
    "nf4": BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.bfloat16,
    ),
    "int8": BitsAndBytesConfig(load_in_8bit=True),
}


@pytest.fixture(scope="module")
def model(tiny_model_folder):
    """The tiny trunk in float32 under a head that is not zero."""
    model = LlamaForMultipleChoice.from_pretrained(tiny_model_folder).eval()
    torch.nn.init.normal_(model.option_head.weight, generator=torch.Generator().manual_seed(1))
    return model


@torch.no_grad()
def logits(model, prefixes, continuations, layout=pack):
    return model(**layout(prefixes, continuations).as_dict()).logits


@torch.no_grad()
def test_branched_equals_rows_equals_a_plain_forward_per_option(model, random_questions):
    prefixes, continuations = random_questions.prefixes, random_questions.continuations
    branched = logits(model, prefixes, continuations)
    rows = logits(model, prefixes, continuations, pack_rows)
    torch.testing.assert_close(branched, rows, **CLOSE)
    for scores, prefix, options in zip(branched, prefixes, continuations, strict=True):
        states = [
            model.model(torch.tensor([[*prefix, *option]])).last_hidden_state[0, -1]
            for option in options
        ]
        plain = torch.stack(states) @ model.option_head.weight[0]
        torch.testing.assert_close(scores[: len(options)], plain, **CLOSE)
        assert scores[len(options) :].eq(float("-inf")).all()


def test_an_empty_option_gets_the_state_of_the_prefix_in_both_layouts(model):
    question = [[5, 6, 7]], [[[8], [], [9, 10]]]
    branched = logits(model, *question)
    torch.testing.assert_close(branched, logits(model, *question, pack_rows), **CLOSE)


def test_an_option_is_worth_the_same_wherever_it_stands(model, random_questions):
    prefix, options = random_questions.prefixes[1], random_questions.continuations[1]
    order = torch.randperm(len(options))
    reordered = logits(model, [prefix], [[options[i] for i in order]])
    torch.testing.assert_close(reordered, logits(model, [prefix], [options])[:, order], **CLOSE)


def test_a_question_is_worth_the_same_in_any_batch(model, random_questions):
    prefixes, continuations = random_questions.prefixes, random_questions.continuations
    together = logits(model, prefixes, continuations)
    for row, (prefix, options) in enumerate(zip(prefixes, continuations, strict=True)):
        alone = logits(model, [prefix], [options])
        torch.testing.assert_close(together[row, : len(options)], alone[0], **CLOSE)


def test_the_loss_is_the_cross_entropy_of_the_logits(model, random_questions):
    batch = pack(random_questions.prefixes, random_questions.continuations)
    labels = torch.tensor([1, 7, 4, 0, 0])
    with torch.no_grad():
        output = model(**batch.as_dict(), labels=labels)
        halved = model(**batch.as_dict(), labels=labels, num_items_in_batch=10)
    nats = [-row.log_softmax(-1)[label] for row, label in zip(output.logits, labels, strict=True)]
    assert output.loss.item() == pytest.approx(sum(nats).item() / 5, rel=1e-5)
    assert halved.loss.item() == pytest.approx(sum(nats).item() / 10, rel=1e-5)


@pytest.mark.parametrize("quantization", QUANTIZED)
def test_the_head_of_a_loaded_trunk_is_zero_float_and_unquantized(
    tiny_model_folder, quantization, monkeypatch, caplog
):
    monkeypatch.setattr(logging.getLogger("transformers"), "propagate", True)
    caplog.set_level(logging.WARNING)
    model = LlamaForMultipleChoice.from_pretrained(
        tiny_model_folder, dtype=torch.bfloat16, quantization_config=QUANTIZED[quantization]
    )
    head = getattr(model, HEAD_NAME)
    assert type(head) is OptionHead
    assert head.weight.dtype == torch.float32
    assert head.weight.shape == (1, 64)
    assert head.weight.eq(0).all()
    assert type(model.model.layers[0].mlp.up_proj) is not torch.nn.Linear or quantization == "none"
    assert model.model.norm.weight.dtype in (torch.bfloat16, torch.float16)
    assert "initialized" not in caplog.text
    assert "lm_head" not in caplog.text


@pytest.mark.parametrize("quantization", QUANTIZED)
def test_a_low_precision_trunk_gives_finite_logits_and_trains_the_head(
    tiny_model_folder, quantization
):
    model = LlamaForMultipleChoice.from_pretrained(
        tiny_model_folder, dtype=torch.bfloat16, quantization_config=QUANTIZED[quantization]
    )
    batch = pack([[5, 6, 7], [8]], [[[9], [10, 11], [12]], [[13], [14]]])
    output = model(**batch.as_dict(), labels=torch.tensor([2, 0]))
    assert output.logits.dtype == torch.float32
    assert output.logits.tolist() == [[0, 0, 0], [0, 0, float("-inf")]]
    output.loss.backward()
    assert model.option_head.weight.grad.abs().max() > 0


def test_the_trunk_is_that_of_the_causal_lm(tiny_model_folder):
    trunk = LlamaForMultipleChoice.from_pretrained(tiny_model_folder).model.state_dict()
    source = LlamaForCausalLM.from_pretrained(tiny_model_folder).model.state_dict()
    assert trunk.keys() == source.keys()
    assert all(torch.equal(trunk[name], source[name]) for name in source)


@pytest.mark.parametrize("quantization", QUANTIZED)
def test_a_saved_head_comes_back_exactly_under_any_trunk(model, tmp_path, quantization):
    model.save_pretrained(tmp_path)
    again = LlamaForMultipleChoice.from_pretrained(
        tmp_path, dtype=torch.bfloat16, quantization_config=QUANTIZED[quantization]
    )
    assert type(again.option_head) is type(model.option_head)
    assert torch.equal(again.option_head.weight, model.option_head.weight)


@torch.no_grad()
@pytest.mark.parametrize("settings", [{}, {"loss": "margin"}, {"lm_loss_weight": 0.5}], ids=str)
def test_the_loss_of_a_mixed_batch_is_the_weighted_mean_of_each_question_alone(
    tiny_model_folder, settings
):
    model = LlamaForMultipleChoice.from_pretrained(tiny_model_folder, multiple_choice=settings)
    torch.nn.init.normal_(model.option_head.weight, generator=torch.Generator().manual_seed(1))
    prefixes, options = [[5, 6], [7], [8, 9]], [[[8], [9, 10]], [[11], [12, 14], [13]], [[4], [3]]]
    gold = {
        "labels": torch.tensor([1, 0, 0]),
        "targets": torch.tensor([[0.0, 1, 0], [1.0, 0, 1], [0.3, 0.7, 0]]),
        "losses": torch.tensor([OWN, BINARY, SOFTMAX]),
        "weights": torch.tensor([1.0, 0.5, 2]),
    }
    mixed = model(**pack(prefixes, options).as_dict(), **gold).loss.item()
    alone = []
    for at in range(3):
        own = {name: tensor[at : at + 1] for name, tensor in gold.items()}
        own["targets"] = own["targets"][:, : len(options[at])]
        if at == 0:
            own = {"labels": own["labels"]}  # as plain choices are
        batch = pack(prefixes[at : at + 1], options[at : at + 1]).as_dict()
        alone.append(model(**batch, **own).loss.item())
    assert mixed == pytest.approx(sum(alone) / 3, rel=1e-5)
    assert len({round(loss, 3) for loss in alone}) == 3


@torch.no_grad()
def test_the_next_token_loss_counts_each_option_by_its_share(tiny_model_folder):
    settings = {"lm_loss_weight": 1e6}
    model = LlamaForMultipleChoice.from_pretrained(tiny_model_folder, multiple_choice=settings)
    batch = pack([[5, 6]], [[[8], [9, 10], [11]]]).as_dict()
    each = [model(**batch, labels=torch.tensor([n])).loss.item() for n in range(3)]
    for targets, shares, loss in (
        ([0.2, 0.8, 0.0], [0.2, 0.8, 0.0], SOFTMAX),
        ([1.0, 0.0, 1.0], [0.5, 0.0, 0.5], BINARY),
        ([0.0, 0.0, 0.0], [0.0, 0.0, 0.0], BINARY),
    ):
        gold = {"targets": torch.tensor([targets]), "losses": torch.tensor([loss])}
        soft = model(**batch, labels=torch.tensor([0]), **gold).loss.item()
        expected = sum(share * one for share, one in zip(shares, each, strict=True))
        assert soft == pytest.approx(expected, rel=1e-4, abs=5)
