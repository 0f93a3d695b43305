"""The head: what it is made of, how it starts, and that it stays float32."""

import math

import pytest
import torch
from architectures import CONFIGS, build
from transformers import AutoModelForCausalLM, AutoModelForMultipleChoice, BitsAndBytesConfig

from heads.branching import pack
from heads.likelihood import option_log_likelihoods
from heads.pooling import attention_of_span, mean_of_span
from heads.settings import HeadSettings

BATCH = pack([[11, 12], [21]], [[[1, 3], [3], []], [[4], [5, 6, 7]]])
STATES = torch.stack((BATCH.input_ids.flatten().float(), torch.zeros(10)), dim=1)
NF4 = BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4")


def test_a_mean_is_over_the_span():
    pooled = mean_of_span(STATES, BATCH.option_spans, BATCH.fork)
    assert pooled[0, :, 0].tolist() == [2, 3, 12]  # the third option has no tokens
    assert pooled[1, :2, 0].tolist() == [4, 6]


def test_attention_weighs_the_span_by_the_query():
    query = torch.tensor([math.log(3) / 2 * math.sqrt(2), 0])
    pooled = attention_of_span(STATES, BATCH.option_spans, BATCH.fork, query)
    # Tokens 1 and 3 differ by 2: their weights are 1 : 3.
    assert pooled[0, 0, 0].item() == pytest.approx(1 / 4 + 3 * 3 / 4)
    assert pooled[0, 2, 0].item() == 12
    same = attention_of_span(STATES, BATCH.option_spans, BATCH.fork, torch.zeros(2))
    torch.testing.assert_close(
        same[1, :2], mean_of_span(STATES, BATCH.option_spans, BATCH.fork)[1, :2]
    )


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"pooling": "first"}, "pooling 'first': must be one of last, mean, attention"),
        ({"interaction": "yes"}, "interaction 'yes'"),
        ({"init": "ones"}, "init 'ones'"),
        ({"loss": "hinge"}, "loss 'hinge'"),
        ({"init": "words"}, "go together"),
        ({"words": [1, 2]}, "go together"),
        ({"init": "words", "words": [1]}, "must be two"),
        ({"label_smoothing": 1.0}, "label_smoothing"),
        ({"label_smoothing": 0.1, "loss": "margin"}, "is for loss 'cross_entropy'"),
        ({"lm_loss_weight": -1}, "must not be negative"),
        ({"poolling": "mean"}, "no setting poolling; there are pooling, interaction"),
    ],
)
def test_settings_that_do_not_fit_are_refused(values, message):
    with pytest.raises(ValueError, match=message):
        HeadSettings.from_dict(values)


@pytest.fixture(params=["llama", "gemma3-window", "gpt2"])
def saved(request, tmp_path):
    """A causal LM: one with an LM head of its own, two that share the embeddings."""
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(CONFIGS[request.param]()).eval()
    model.save_pretrained(tmp_path)
    return model, tmp_path


@torch.no_grad()
@pytest.mark.parametrize("quantization", [None, NF4], ids=["none", "nf4"])
def test_words_start_the_head_at_the_difference_of_two_logits(saved, quantization):
    source, folder = saved
    settings = {"init": "words", "words": [7, 9]}
    model = AutoModelForMultipleChoice.from_pretrained(
        folder, multiple_choice=settings, quantization_config=quantization
    ).eval()
    rows = source.get_output_embeddings().weight
    torch.testing.assert_close(model.option_head.weight[0], rows[7] - rows[9])
    if quantization is None:
        logits = source(torch.tensor([[5, 6, 8]])).logits[0, -1]
        expected = (logits[7] - logits[9]).item()
        assert model(torch.tensor([[[5, 6, 8]]])).logits.item() == pytest.approx(expected, rel=1e-4)


@torch.no_grad()
def test_a_model_with_a_language_loss_keeps_its_lm_head(saved, tmp_path):
    source, folder = saved
    model = AutoModelForMultipleChoice.from_pretrained(
        folder, multiple_choice={"lm_loss_weight": 0.5}
    ).eval()
    torch.testing.assert_close(
        option_log_likelihoods(model, BATCH), option_log_likelihoods(source, BATCH)
    )
    again_folder = tmp_path / "again"
    model.save_pretrained(again_folder)
    again = AutoModelForMultipleChoice.from_pretrained(again_folder).eval()
    assert torch.equal(option_log_likelihoods(again, BATCH), option_log_likelihoods(model, BATCH))
    plain = AutoModelForMultipleChoice.from_pretrained(folder)
    assert plain.get_output_embeddings() is None


def test_the_language_loss_is_that_of_the_right_options_per_token(saved):
    source, folder = saved
    labels = torch.tensor([0, 1])
    model = AutoModelForMultipleChoice.from_pretrained(
        folder, multiple_choice={"lm_loss_weight": 0.5}
    ).eval()
    loss = model(**BATCH.as_dict(), labels=labels).loss
    totals = option_log_likelihoods(source, BATCH)
    language = -(totals[0, 0] / 2 + totals[1, 1] / 3) / 2
    choice = (math.log(3) + math.log(2)) / 2  # the head is zero
    assert loss.item() == pytest.approx(choice + 0.5 * language.item(), rel=1e-5)
    fewer = model(**BATCH.as_dict(), labels=labels, num_items_in_batch=8).loss
    assert fewer.item() == pytest.approx(loss.item() / 4, rel=1e-5)


@pytest.mark.parametrize("loss", ["cross_entropy", "binary", "margin", "listwise"])
def test_the_loss_of_the_settings_is_used(loss):
    from heads.losses import LOSSES

    model = build("llama", loss=loss)
    labels = torch.tensor([0, 1])
    output = model(**BATCH.as_dict(), labels=labels)
    expected = LOSSES[loss](output.logits, BATCH.option_mask, labels)
    assert output.loss.item() == pytest.approx(expected.item())


def test_an_interaction_changes_nothing_at_the_start():
    config = CONFIGS["llama"]()
    model = AutoModelForMultipleChoice.from_config(
        config, multiple_choice={"init": "normal", "interaction": "attention"}
    ).eval()
    with torch.no_grad():
        before = model(**BATCH.as_dict()).logits
        model.option_head.interaction = None
        assert torch.equal(model(**BATCH.as_dict()).logits, before)


@pytest.mark.parametrize("convert", [lambda m: m.half(), lambda m: m.to(torch.bfloat16)])
def test_a_head_stays_float32_bit_for_bit_when_its_model_is_converted(convert):
    model = build("llama", pooling="attention", interaction="attention")
    before = {name: p.clone() for name, p in model.option_head.named_parameters()}
    convert(model)
    assert model.model.embed_tokens.weight.dtype != torch.float32
    assert len(before) == 4
    for name, parameter in model.option_head.named_parameters():
        assert torch.equal(parameter, before[name])


def test_no_name_in_the_head_is_one_that_quantizers_or_lora_replace():
    model = build("llama", pooling="attention", interaction="attention")
    assert not any(isinstance(m, torch.nn.Linear) for m in model.option_head.modules())
