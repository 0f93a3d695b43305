"""Random trees of segments, up to five deep: the numbers of one plain row per option, every way."""

import random

import encoders
import pytest
import torch
from architectures import CONFIGS, WINDOW, build
from hypothesis import given
from hypothesis import strategies as st
from transformers import T5Config, T5ForConditionalGeneration

from heads import trunk
from heads.branching import (
    Segment,
    attention_mask,
    branch_sight,
    lay_out,
    option_tokens,
    pack,
    path_tokens,
    reach_of_branches,
    untangled,
)
from heads.caching import run_cached, run_rows
from heads.likelihood import option_log_likelihoods
from heads.trunk import hidden_states

CLOSE = {"rtol": 1e-5, "atol": 1e-5}
PAD = 99
DEEPEST = 5


def random_tree(seed, most_roots=3, longest=6):
    """Return segments, of which some are empty, and questions whose options are leaves of them."""
    chance = random.Random(seed)
    segments, questions = [], []

    def tokens(low, high):
        return [chance.randrange(2, 384) for _ in range(chance.randint(low, high))]

    def grow(number, depth):
        for _ in range(chance.randint(0 if depth < 3 else 1, 2) if depth < DEEPEST - 1 else 0):
            segments.append(Segment(tokens(0, longest), number))
            grow(len(segments) - 1, depth + 1)
        for _ in range(chance.randint(0, 2) or depth == 1):
            first = len(segments)
            n_options = chance.randint(1, 4)
            segments.extend(Segment(tokens(0, 3), number) for _ in range(n_options))
            options = list(range(first, first + n_options))
            questions.append([*options[:1], *([None] * chance.randint(0, 1)), *options[1:]])

    for _ in range(chance.randint(1, most_roots)):
        segments.append(Segment(tokens(1, 3 * longest)))
        grow(len(segments) - 1, 1)
    return segments, questions


def both(seed, **sizes):
    """Return a random tree's batch, and that of one plain row per option."""
    segments, questions = random_tree(seed, **sizes)
    return lay_out(segments, questions, PAD), lay_out(*untangled(segments, questions), PAD)


def test_the_picture_of_the_docstring():
    segments = [
        Segment([1, 2]),
        *(Segment([3, 4], 0), Segment([5, 6], 1), Segment([7], 1)),
        *(Segment([8], 0), Segment([9], 4)),
    ]
    batch = lay_out(segments, [[2, 3], [5]])
    assert batch.input_ids.tolist() == [[1, 2, 3, 4, 5, 6, 7, 8, 9]]
    assert batch.position_ids.tolist() == [[0, 1, 2, 3, 4, 5, 4, 2, 3]]
    assert batch.branch_ids.tolist() == [[0, 0, 1, 1, 2, 2, 3, 4, 5]]
    assert batch.reach.tolist() == [[9, 9, 7, 7, 6, 6, 7, 9, 9]]
    assert batch.option_spans.tolist() == [[[4, 6], [6, 7]], [[8, 9], [0, 0]]]
    assert batch.fork.tolist() == [[3, 3], [7, -1]]
    mask = attention_mask(batch.branch_ids, torch.float32, reach=batch.reach)[0, 0]
    assert (mask[6] == 0).tolist() == [True] * 4 + [False, False, True, False, False]
    assert (mask[8] == 0).tolist() == [True] * 2 + [False] * 5 + [True] * 2


def test_the_trees_of_these_tests_are_deep_and_have_empty_segments_and_shared_ones():
    trees = [random_tree(seed) for seed in range(20)]
    depths, empty = [], 0
    for segments, questions in trees:
        depth = []
        for tokens, parent in segments:
            depth.append(1 if parent is None else depth[parent] + 1)
            empty += not tokens
        depths.append(max(depth))
        assert all(None not in q[:1] for q in questions)
    assert max(depths) == DEEPEST
    assert empty > 20
    assert any(len(questions) > 5 for _, questions in trees)


@given(seed=st.integers(0, 10_000))
def test_each_option_sees_its_path_and_nothing_else(seed):
    segments, questions = random_tree(seed)
    batch, rows = both(seed)
    seen = attention_mask(batch.branch_ids, torch.float32, reach=batch.reach)
    n_tokens = batch.input_ids.shape[1]
    if seen.dim() == 2:
        seen = seen[:, None, :].bool() & torch.ones(n_tokens, n_tokens, dtype=torch.bool).tril()
    else:
        seen = seen[:, 0] == 0
    for question, options in enumerate(questions):
        for place, option in enumerate(options):
            assert bool(batch.option_mask[question, place]) == (option is not None)
            if option is not None:
                start, end = batch.option_spans[question, place].tolist()
                row, last = divmod(end - 1, n_tokens)
                path = path_tokens(segments, option)
                assert end - start == len(segments[option].tokens)
                assert batch.input_ids[row][seen[row, last]].tolist() == path
                assert batch.position_ids[row][seen[row, last]].tolist() == list(range(len(path)))
    flat = [
        (owner.tolist(), b.input_ids.flatten()[token].tolist(), b.input_ids.flatten()[s].tolist())
        for b in (batch, rows)
        for owner, token, s in [option_tokens(b.option_spans, b.fork)]
    ]
    assert flat[0] == flat[1]
    assert (batch.branch_ids >= 0).sum() == sum(len(tokens) for tokens, _ in segments)


@given(seed=st.integers(0, 10_000))
def test_branches_off_a_root_have_the_reach_that_their_ids_say(seed):
    chance = random.Random(seed)
    lengths = [[chance.randint(0, 3) for _ in range(chance.randint(1, 4))] for _ in range(3)]
    batch = pack(
        [[1] * chance.randint(1, 5) for _ in lengths], [[[2] * n for n in o] for o in lengths]
    )
    assert torch.equal(reach_of_branches(batch.branch_ids), batch.reach)


@torch.no_grad()
@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("name", CONFIGS)
def test_every_way_gives_the_states_of_plain_rows(name, seed):
    model = build(name, pooling="mean")
    batch, rows = both(seed)
    expected = hidden_states(model, *rows.tokens)
    _, token, source = option_tokens(rows.option_spans, rows.fork)
    _, of_tree, source_of_tree = option_tokens(batch.option_spans, batch.fork)
    for states in (
        hidden_states(model, *batch.tokens),
        run_rows(model.base_model, *batch.tokens),
        run_cached(model.base_model, *batch.tokens),
    ):
        torch.testing.assert_close(states[of_tree], expected[token], **CLOSE)
        torch.testing.assert_close(states[source_of_tree], expected[source], **CLOSE)
    scores = model(**batch.as_dict()).logits, model(**rows.as_dict()).logits
    torch.testing.assert_close(*scores, **CLOSE)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", ["llama", "gemma3-window", "gpt2"])
def test_every_way_has_the_gradients_of_plain_rows(name, seed, monkeypatch):
    batch, rows = both(seed)
    labels = torch.zeros(len(batch.fork), dtype=torch.long)
    gradients = []
    for way, inputs in (("masked", rows), ("masked", batch), ("rows", batch)):
        monkeypatch.setattr(trunk, "choose_way", lambda *_, way=way: way)
        model = build(name, pooling="mean", lm_loss_weight=1.0)
        model(**inputs.as_dict(), labels=labels).loss.backward()
        gradients.append(torch.cat([p.grad.flatten() for p in model.base_model.parameters()]))
    assert gradients[0].abs().max() > 0.01
    for gradient in gradients[1:]:
        torch.testing.assert_close(gradient, gradients[0], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("window", [None, WINDOW, 2])
@pytest.mark.parametrize("seed", range(4))
def test_blocks_show_what_the_mask_shows(seed, window):
    from torch.nn.attention.flex_attention import create_mask

    batch, _ = both(seed)
    n_rows, n_tokens = batch.branch_ids.shape
    sees = branch_sight(batch.branch_ids, batch.position_ids, window, batch.reach)
    shown = create_mask(sees, n_rows, None, n_tokens, n_tokens, device="cpu")
    given = batch.branch_ids, torch.float32, batch.position_ids, window, batch.reach
    assert torch.equal(shown, attention_mask(*given) == 0)


@torch.no_grad()
def test_an_encoder_reads_each_option_behind_its_whole_path():
    model = encoders.build("bert")
    batch, rows = both(3)
    scores = model(**batch.as_dict()).logits, model(**rows.as_dict()).logits
    torch.testing.assert_close(*scores, **CLOSE)


@torch.no_grad()
def test_an_encoder_decoder_reads_the_whole_path_in_its_encoder():
    torch.manual_seed(0)
    sizes = {"d_model": 32, "d_kv": 8, "d_ff": 48, "num_layers": 2, "num_heads": 4}
    config = T5Config(vocab_size=384, decoder_start_token_id=0, **sizes)
    model = T5ForConditionalGeneration(config).eval()
    segments, questions = random_tree(4)
    questions = [[option for option in q if option is not None] for q in questions]
    batch = lay_out(segments, questions, PAD)
    for question, options in enumerate(questions):
        prefix = path_tokens(segments, segments[options[0]].parent)
        texts = [segments[option].tokens for option in options]
        expected = option_log_likelihoods(model, pack([prefix], [texts]))[0]
        got = option_log_likelihoods(model, batch)[question, : len(options)]
        torch.testing.assert_close(got, expected, **CLOSE)
