"""Which way a branched batch runs, and that the block mask shows what the mask shows."""

import warnings

import pytest
import torch
from architectures import CONFIGS, WINDOW, build
from transformers import AutoModelForMultipleChoice

from heads import trunk
from heads.branching import attention_mask, branch_sight, pack
from heads.trunk import choose_way, hidden_states

CLOSE = {"rtol": 1e-4, "atol": 1e-5}


@pytest.fixture
def batch(random_questions):
    return pack(random_questions.prefixes, random_questions.continuations)


@pytest.fixture(autouse=True)
def _warn_anew():
    trunk.warn_once.cache_clear()


def config(backend="sdpa", **settings):
    made = CONFIGS["llama"]()
    made._attn_implementation = backend
    for name, value in settings.items():
        setattr(made, name, value)
    return made


@pytest.mark.parametrize("backend", ["sdpa", "eager"])
def test_a_backend_with_masks_takes_the_mask(backend, batch):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert choose_way(config(backend), batch.branch_ids) == "masked"
        with torch.no_grad():
            assert choose_way(config(backend), batch.branch_ids) == "masked"


def test_flex_attention_takes_blocks(batch):
    assert choose_way(config("flex_attention"), batch.branch_ids) == "blocks"


@pytest.mark.parametrize("backend", ["flash_attention_2", "flash_attention_3", "my_kernel"])
def test_a_backend_without_masks_caches_or_falls_back_with_one_warning(backend, batch):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with torch.no_grad():
            assert choose_way(config(backend), batch.branch_ids) == "cached"
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        ways = [choose_way(config(backend), batch.branch_ids) for _ in range(3)]
    assert ways == ["rows"] * 3
    assert ["one row per option" in str(w.message) for w in caught] == [True]


def test_layers_of_an_unknown_kind_get_rows(batch):
    kinds = ["full_attention", "linear_attention", "full_attention"]
    with pytest.warns(UserWarning, match="linear_attention"):
        assert choose_way(config(layer_types=kinds), batch.branch_ids) == "rows"


def test_a_prefix_far_longer_than_its_options_is_cached_without_gradients():
    long = pack([[5] * 1100], [[[1, 2], [3]]]).branch_ids
    wide = pack([[5] * 1100], [[[1] * 100, [2] * 100]]).branch_ids
    assert choose_way(config(), long) == "masked"
    with torch.no_grad():
        assert choose_way(config(), long) == "cached"
        assert choose_way(config(), wide) == "masked"


@pytest.mark.parametrize("name", ["llama", "gemma2-window", "gpt2"])
def test_every_way_has_the_gradients_of_the_mask(name, batch, monkeypatch):
    gradients = []
    for way in ("masked", "rows"):
        monkeypatch.setattr(trunk, "choose_way", lambda *_, way=way: way)
        model = build(name, pooling="mean", lm_loss_weight=1.0)
        model(**batch.as_dict(), labels=torch.tensor([1, 7, 4, 0, 0])).loss.backward()
        gradients.append(model.base_model.get_input_embeddings().weight.grad)
    torch.testing.assert_close(*gradients, **CLOSE)


@torch.no_grad()
@pytest.mark.parametrize("name", CONFIGS)
def test_eager_attention_takes_the_same_mask(name, batch):
    sdpa = build(name)
    eager = AutoModelForMultipleChoice.from_config(sdpa.config, attn_implementation="eager").eval()
    eager.load_state_dict(sdpa.state_dict())
    torch.testing.assert_close(eager(**batch.as_dict()).logits, sdpa(**batch.as_dict()).logits)


@pytest.mark.parametrize("window", [None, WINDOW])
def test_blocks_show_what_the_mask_shows(batch, window):
    from torch.nn.attention.flex_attention import create_mask

    n_rows, n_tokens = batch.branch_ids.shape
    sees = branch_sight(batch.branch_ids, batch.position_ids, window)
    shown = create_mask(sees, n_rows, None, n_tokens, n_tokens, device="cpu")
    mask = attention_mask(batch.branch_ids, torch.float32, batch.position_ids, window)
    assert torch.equal(shown, mask == 0)


def test_a_window_counts_positions_and_not_places():
    batch = pack([[1, 2, 3, 4]], [[[5, 6], [7]]])
    mask = attention_mask(batch.branch_ids, torch.float32, batch.position_ids, window=3)
    seen = ["".join("x" if value == 0 else "." for value in row) for row in mask[0, 0]]
    assert seen == ["x......", "xx.....", "xxx....", ".xxx...", "..xxx..", "...xxx.", "..xx..x"]


@pytest.mark.parametrize("name", ["llama", "gemma3-window"])
def test_autocast_takes_the_mask_too(name, batch):
    model = build(name)
    with torch.autocast("cpu", torch.bfloat16):
        logits = model(**batch.as_dict()).logits
    assert logits.dtype == torch.float32
    torch.testing.assert_close(logits, model(**batch.as_dict()).logits, rtol=0.2, atol=0.2)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("name", ["llama", "mistral-window", "gemma3-window"])
@torch.no_grad()
def test_on_a_gpu_flex_and_cache_equal_the_mask_in_bfloat16(name, batch):
    reference = build(name).to("cuda", torch.bfloat16)
    flex = AutoModelForMultipleChoice.from_config(
        reference.config, attn_implementation="flex_attention"
    )
    flex.load_state_dict(reference.state_dict())
    flex = flex.to("cuda", torch.bfloat16).eval()
    moved = batch.to("cuda")
    inputs = moved.input_ids, moved.position_ids, moved.branch_ids
    real = moved.branch_ids.flatten() >= 0
    expected = hidden_states(reference, *inputs)[real]
    for states in (hidden_states(flex, *inputs), trunk.run_cached(reference.base_model, *inputs)):
        torch.testing.assert_close(states[real], expected, rtol=0.05, atol=0.05)
