"""A head under transformers' own class, on every architecture that has one of its kind."""

import pytest
import torch
from architectures import CONFIGS, build
from transformers import AutoModelForSequenceClassification, GraniteConfig

from mcqa.errors import ConfigError
from mcqa.export.classifier import as_classifier, check_class

ROWS = [[5, 6, 7, 11, 12], [5, 6, 7, 9]]


@pytest.mark.parametrize("name", CONFIGS)
def test_the_class_scores_as_the_head(name, tmp_path):
    model = build(name)
    check_class("a run", model.config)
    as_classifier(model, pad_token_id=0).save_pretrained(tmp_path)
    alone = AutoModelForSequenceClassification.from_pretrained(tmp_path).eval()
    assert (alone.config.num_labels, alone.config.problem_type) == (1, "regression")
    assert not hasattr(alone.config, "multiple_choice")
    input_ids = torch.tensor([[*row, *[0] * (5 - len(row))] for row in ROWS])
    mask = (input_ids != 0).long()
    with torch.no_grad():
        expected = model(input_ids[None], mask[None]).logits[0]
        found = alone(input_ids=input_ids, attention_mask=mask).logits[:, 0]
    assert found.tolist() == pytest.approx(expected.tolist(), abs=1e-5)


def test_an_architecture_without_such_a_class_is_refused():
    with pytest.raises(ConfigError, match=r"no sequence classification .* Use `mcqa merge`"):
        check_class("a run", GraniteConfig())


def test_the_head_is_rounded_with_the_rest():
    model = build("llama").to(torch.bfloat16)
    assert model.option_head.weight.dtype == torch.float32
    assert as_classifier(model, pad_token_id=0).score.weight.dtype == torch.bfloat16
