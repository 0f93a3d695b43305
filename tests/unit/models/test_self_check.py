"""What loading says and does about a decoder that is not right in every way."""

import warnings

import pytest
import torch
from transformers import (
    GraniteConfig,
    GraniteForCausalLM,
    MptConfig,
    MptForCausalLM,
    RoFormerConfig,
    RoFormerForCausalLM,
)

from heads.branching import pack, pack_rows
from heads.likelihood import option_log_likelihoods
from heads.trunk import warn_once
from mcqa.errors import ModelError
from mcqa.formulations import generative

TOKENS = {"vocab_size": 96, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
SIZES = {**TOKENS, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2}
SIZES |= {"num_attention_heads": 4}
WIDE = {"initializer_range": 0.5}
BATCH = [[11, 23, 35]], [[[17, 29, 41], [13], [37, 19]]]


@pytest.fixture(autouse=True)
def _warn_anew():
    warn_once.cache_clear()


def load(source, folder):
    source.save_pretrained(folder)
    return generative.load_backbone(str(folder), dtype="float32", device="cpu")


def test_what_cannot_branch_says_so_once_and_scores_by_rows(tmp_path):
    source = MptForCausalLM(MptConfig(d_model=32, n_heads=4, n_layers=2, **TOKENS, **WIDE)).eval()
    told = r"is a MptForCausalLM \(mpt\): branched options .* one row per option"
    with pytest.warns(UserWarning, match=told):
        model = load(source, tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        load(source, tmp_path)
    with torch.no_grad():
        scores = option_log_likelihoods(model, pack(*BATCH))
        torch.testing.assert_close(scores, option_log_likelihoods(source, pack_rows(*BATCH)))


def test_what_branches_says_nothing(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        load(GraniteForCausalLM(GraniteConfig(**SIZES, **WIDE)), tmp_path)


def test_what_looks_ahead_is_refused_by_name(tmp_path):
    told = r"is a RoFormerForCausalLM \(roformer\): it looks ahead .* Name a model of another"
    with pytest.raises(ModelError, match=told):
        load(RoFormerForCausalLM(RoFormerConfig(**SIZES, **WIDE)), tmp_path)
