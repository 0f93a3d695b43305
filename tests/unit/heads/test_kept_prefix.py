"""What many batches begin with is run once: the numbers of batches that have it whole."""

import random

import pytest
import torch
from architectures import CONFIGS, build

from heads import trunk
from heads.branching import Segment, lay_out, option_tokens, pack, pack_rows, untangled
from heads.kept_prefix import SHORTEST, KeptPrefix, keeping, kept_tokens
from heads.trunk import hidden_states

CLOSE = {"rtol": 1e-5, "atol": 1e-5}
TOKENS = tuple(range(100, 100 + SHORTEST + 8))


def trees(seed):
    """Return two trees of which both begin with the kept tokens, three segments deep."""
    chance = random.Random(seed)

    def tokens(low, high):
        return [chance.randrange(2, 90) for _ in range(chance.randint(low, high))]

    segments, questions = [], []
    for _ in range(2):
        root = len(segments)
        segments.append(Segment([*TOKENS, *tokens(1, 12)]))
        for _ in range(2):
            question = len(segments)
            segments.append(Segment(tokens(0, 5), root))
            segments.extend(Segment(tokens(0, 4), question) for _ in range(3))
            questions.append(range(question + 1, question + 4))
    return segments, questions


@pytest.fixture
def run(monkeypatch):
    """Run a model, and return with how many tokens its trunk was run how often."""

    def count(model, batch, way=None):
        counted = []
        if way:
            monkeypatch.setattr(trunk, "choose_way", lambda *_: way)

        def note(module, args, kwargs):
            counted.append(kwargs["input_ids"].numel())

        handle = model.base_model.register_forward_pre_hook(note, with_kwargs=True)
        try:
            hidden = hidden_states(model, *batch.tokens)
        finally:
            handle.remove()
        _, token, source = option_tokens(batch.option_spans, batch.fork)
        return hidden[torch.cat((token, source))], counted

    return count


@torch.inference_mode()
@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize("seed", range(2))
def test_every_way_goes_on_from_what_is_kept(name, seed, run):
    model = build(name)
    segments, questions = trees(seed)
    batch, rows = lay_out(segments, questions), lay_out(*untangled(segments, questions))
    expected, _ = run(model, batch)
    of_rows, _ = run(model, rows)
    saved = len(TOKENS) * len(batch.input_ids)
    with keeping(model, TOKENS):
        for way in ("masked", "cached"):
            got, counted = run(model, batch, way)
            torch.testing.assert_close(got, expected, **CLOSE)
            if way == "masked":
                assert counted == [batch.input_ids.numel() - saved]
        got, _ = run(model, rows)
        torch.testing.assert_close(got, of_rows, **CLOSE)
    _, counted = run(model, batch, "masked")
    assert counted == [batch.input_ids.numel()]


@torch.inference_mode()
def test_only_what_all_rows_begin_with_is_taken(run):
    model = build("llama")
    segments, questions = trees(0)
    later = [50, *segments[0].tokens[SHORTEST + 1 :]]
    segments[0] = Segment([*segments[0].tokens[:SHORTEST], *later])
    batch = lay_out(segments, questions)
    expected, _ = run(model, batch)
    with keeping(model, TOKENS):
        got, counted = run(model, batch)
        assert counted == [(batch.input_ids.shape[1] - SHORTEST) * 2]
    torch.testing.assert_close(got, expected, **CLOSE)
    segments[0] = Segment(segments[0].tokens[1:])
    with keeping(model, TOKENS):
        _, counted = run(model, lay_out(segments, questions))
    assert counted[0] > batch.input_ids.numel() - 10  # the other row alone would have them


@torch.inference_mode()
@pytest.mark.parametrize("layout", [pack, pack_rows])
def test_a_prefix_that_is_kept_whole_keeps_its_last_token(layout, run):
    model = build("llama")
    batch = layout([TOKENS], [[[5, 6], [7], []]])
    expected, _ = run(model, batch)
    with keeping(model, TOKENS):
        got, counted = run(model, batch)
    torch.testing.assert_close(got, expected, **CLOSE)
    assert counted == [batch.input_ids.numel() - (len(TOKENS) - 1) * len(batch.input_ids)]


def test_training_does_not_go_on_from_it(run):
    model = build("llama")
    batch = lay_out(*trees(0))
    with keeping(model, TOKENS):
        _, counted = run(model, batch)
    assert counted == [batch.input_ids.numel()]


@pytest.mark.parametrize("reason", ["short", "cache", "virtual tokens"])
def test_nothing_is_kept_where_it_would_be_of_no_use_or_wrong(reason):
    model = build("llama")
    if reason == "cache":
        model.base_model.right_ways = frozenset(["masked", "cached"])
    if reason == "virtual tokens":
        model.soft_prompt = torch.nn.Identity()
    with keeping(model, TOKENS[: SHORTEST - (reason == "short")]):
        assert not kept_tokens(model)


def test_what_is_kept_is_forgotten_also_after_an_error():
    model = build("llama")

    def fail():
        with keeping(model, TOKENS):
            assert isinstance(model.kept_prefix, KeptPrefix)
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert not kept_tokens(model)


@torch.inference_mode()
def test_blocks_go_on_from_it_too(monkeypatch):
    """The block mask's keys are the kept ones and the row's own, as those of the mask."""
    from torch.nn.attention.flex_attention import create_mask

    from heads.branching import attention_mask, branch_sight

    batch = lay_out(*trees(0))
    n_rows, n_tokens = batch.branch_ids.shape
    for window in (None, 8):
        tree = batch.branch_ids, batch.position_ids, window, batch.reach, len(TOKENS)
        queries = n_tokens - len(TOKENS)
        shown = create_mask(branch_sight(*tree), n_rows, None, queries, n_tokens, device="cpu")
        given = batch.branch_ids, torch.float32, *tree[1:]
        assert torch.equal(shown, attention_mask(*given) == 0)
