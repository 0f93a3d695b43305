"""Encoders on branched batches: the numbers of transformers' own class, row by row."""

import pytest
import torch
from encoders import CONFIGS, build
from transformers.models.auto.modeling_auto import MODEL_FOR_MULTIPLE_CHOICE_MAPPING

from heads.branching import pack, pack_rows
from heads.encoder import ENCODERS, head_modules
from heads.losses import LOSSES
from heads.targets import BINARY, OWN, binary

CLOSE = {"rtol": 1e-4, "atol": 1e-5}
LABELS = torch.tensor([1, 7, 4, 0, 0])


def test_every_listed_encoder_is_tested():
    assert tuple(CONFIGS) == ENCODERS


@torch.no_grad()
@pytest.mark.parametrize("name", CONFIGS)
def test_scores_are_those_of_the_plain_class_one_option_at_a_time(name, random_questions):
    model = build(name)
    plain = MODEL_FOR_MULTIPLE_CHOICE_MAPPING[type(model.config)](model.config).eval()
    plain.load_state_dict(model.state_dict())
    prefixes, continuations = random_questions.prefixes, random_questions.continuations
    logits = model(**pack(prefixes, continuations).as_dict()).logits
    rows = model(**pack_rows(prefixes, continuations).as_dict()).logits
    assert torch.equal(logits, rows)
    for scores, prefix, options in zip(logits, prefixes, continuations, strict=True):
        for score, option in zip(scores, options, strict=False):
            inputs = {"input_ids": torch.tensor([[[*prefix, *option]]])}
            if getattr(model.config, "type_vocab_size", 0) == 2:
                segments = [0] * len(prefix) + [1] * len(option)
                inputs["token_type_ids"] = torch.tensor([[segments]])
            inputs["attention_mask"] = torch.ones_like(inputs["input_ids"])
            torch.testing.assert_close(score, plain(**inputs).logits[0, 0], **CLOSE)
        assert scores[len(options) :].eq(float("-inf")).all()


@pytest.mark.parametrize("name", CONFIGS)
def test_a_missing_option_gets_no_gradient_and_the_head_is_part_of_the_model(name):
    model = build(name)
    batch = pack([[5, 6], [7]], [[[8], [9, 10]], [[11], [12], [13]]]).as_dict()
    output = model(**batch, labels=torch.tensor([0, 2]))
    log_probabilities = output.logits.log_softmax(-1)
    expected = -(log_probabilities[0, 0] + log_probabilities[1, 2]) / 2
    assert output.loss.item() == pytest.approx(expected.item(), rel=1e-5)
    output.loss.backward()
    for head in head_modules(model):
        for parameter in model.get_submodule(head).parameters():
            assert parameter.grad is not None
            assert parameter.grad.isfinite().all()
    with pytest.raises(ValueError, match="padded option"):
        model(**batch, labels=torch.tensor([2, 0]))


@torch.no_grad()
@pytest.mark.parametrize("name", CONFIGS)
def test_the_forward_never_reads_a_label(name, random_questions):
    model = build(name)
    batch = pack(random_questions.prefixes, random_questions.continuations).as_dict()
    assert torch.equal(model(**batch, labels=LABELS).logits, model(**batch).logits)


@torch.no_grad()
def test_a_head_in_float32_reads_a_trunk_in_bfloat16(random_questions):
    model = build("bert")
    head = {name: model.get_submodule(name) for name in head_modules(model)}
    batch = pack(random_questions.prefixes, random_questions.continuations).as_dict()
    exact = model(**batch).logits
    model.bfloat16()
    for module in head.values():
        module.float()
    close = model(**batch).logits
    assert close.dtype == torch.float32
    torch.testing.assert_close(close, exact, rtol=0.1, atol=0.05)


@pytest.mark.parametrize(
    "settings", [{"loss": name} for name in LOSSES] + [{"label_smoothing": 0.2}]
)
def test_the_loss_is_the_one_that_was_asked_for(settings):
    model = type(build("bert"))(CONFIGS["bert"](), multiple_choice=settings).eval()
    batch = pack([[5, 6], [7]], [[[8], [9, 10]], [[11], [12], [13]]])
    labels = torch.tensor([1, 2])
    output = model(**batch.as_dict(), labels=labels, num_items_in_batch=4)
    more = dict(settings)
    function = LOSSES[more.pop("loss", "cross_entropy")]
    expected = function(output.logits, batch.option_mask, labels, **more)
    assert output.loss.item() == pytest.approx(expected.item() * 2 / 4, rel=1e-5)


@torch.no_grad()
def test_a_mixed_batch_has_the_loss_of_each_question():
    model = build("bert")
    batch = pack([[5, 6], [7]], [[[8], [9, 10]], [[11], [12], [13]]]).as_dict()
    targets = torch.tensor([[0.0, 1, 0], [1.0, 0, 1]])
    gold = {"targets": targets, "losses": torch.tensor([OWN, BINARY])}
    output = model(**batch, labels=torch.tensor([1, 0]), **gold)
    scores, exists = output.logits, batch["fork"] >= 0
    own = -scores[0, :2].log_softmax(-1)[1]
    expected = (own + binary(scores, exists, targets)[1]) / 2
    assert output.loss.item() == pytest.approx(expected.item(), rel=1e-5)
