"""The layout of branched and one-row-per-option batches, against the picture drawn by hand."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from heads.branching import attention_mask, option_tokens, pack, pack_rows

# q1 q2 q3 | a1 a2 | b1 | c1 c2 c3, and a shorter question with two options behind it.
PREFIXES = [[11, 12, 13], [21]]
CONTINUATIONS = [[[1, 2], [3], [4, 5, 6]], [[7], [8, 9]]]
PAD = 99


@pytest.fixture
def branched():
    return pack(PREFIXES, CONTINUATIONS, PAD)


@pytest.fixture
def rows():
    return pack_rows(PREFIXES, CONTINUATIONS, PAD)


def test_branched_rows_hold_a_prefix_and_its_options_side_by_side(branched):
    assert branched.input_ids.tolist() == [
        [11, 12, 13, 1, 2, 3, 4, 5, 6],
        [21, 7, 8, 9, PAD, PAD, PAD, PAD, PAD],
    ]
    assert branched.position_ids[0].tolist() == [0, 1, 2, 3, 4, 3, 3, 4, 5]
    assert branched.position_ids[1, :4].tolist() == [0, 1, 1, 2]
    assert branched.branch_ids.tolist() == [
        [0, 0, 0, 1, 1, 2, 3, 3, 3],
        [0, 1, 2, 2, -1, -1, -1, -1, -1],
    ]


def test_spans_and_forks_point_into_the_flattened_tokens(branched):
    # The second row starts at token 9; its third option does not exist.
    assert branched.option_spans[0].tolist() == [[3, 5], [5, 6], [6, 9]]
    assert branched.option_spans[1, :2].tolist() == [[10, 11], [11, 13]]
    assert branched.fork.tolist() == [[2, 2, 2], [9, 9, -1]]
    assert branched.option_mask.tolist() == [[True, True, True], [True, True, False]]


def test_the_reference_has_one_row_per_option(rows):
    assert rows.input_ids.tolist() == [
        [11, 12, 13, 1, 2, PAD],
        [11, 12, 13, 3, PAD, PAD],
        [11, 12, 13, 4, 5, 6],
        [21, 7, PAD, PAD, PAD, PAD],
        [21, 8, 9, PAD, PAD, PAD],
    ]
    assert rows.position_ids[2].tolist() == [0, 1, 2, 3, 4, 5]
    assert rows.branch_ids[1].tolist() == [0, 0, 0, 1, -1, -1]
    assert rows.option_spans[0].tolist() == [[3, 5], [9, 10], [15, 18]]
    assert rows.option_spans[1, :2].tolist() == [[19, 20], [25, 27]]
    assert rows.fork.tolist() == [[2, 8, 14], [18, 24, -1]]


def test_both_layouts_name_the_same_option_tokens(branched, rows):
    for batch in (branched, rows):
        owner, token, source = option_tokens(batch.option_spans, batch.fork)
        flat = batch.input_ids.flatten()
        assert owner.tolist() == [0, 0, 1, 2, 2, 2, 3, 4, 4]
        assert flat[token].tolist() == [1, 2, 3, 4, 5, 6, 7, 8, 9]
        assert flat[source].tolist() == [13, 1, 13, 13, 4, 5, 21, 21, 8]


def test_an_empty_option_exists_and_has_no_tokens():
    batch = pack([[11, 12]], [[[], [1]]])
    assert batch.option_mask.tolist() == [[True, True]]
    assert option_tokens(batch.option_spans, batch.fork)[0].tolist() == [1]


def test_an_option_sees_the_prefix_and_itself_and_no_sibling(branched):
    mask = attention_mask(branched.branch_ids, torch.float32)
    assert mask.shape == (2, 1, 9, 9)
    seen = ["".join("x" if value == 0 else "." for value in row) for row in mask[0, 0]]
    assert seen == [
        "x........",
        "xx.......",
        "xxx......",
        "xxxx.....",
        "xxxxx....",
        "xxx..x...",
        "xxx...x..",
        "xxx...xx.",
        "xxx...xxx",
    ]


def test_a_padding_token_sees_itself_and_nobody_sees_it(branched):
    seen = attention_mask(branched.branch_ids, torch.float32)[1, 0] == 0
    assert seen[4:, 4:].int().tolist() == torch.eye(5).int().tolist()
    assert not seen[:4, 4:].any()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_a_mask_hides_with_finite_numbers_of_its_dtype(branched, dtype):
    mask = attention_mask(branched.branch_ids, dtype)
    assert mask.dtype == dtype
    assert set(mask.unique().tolist()) == {0.0, torch.finfo(dtype).min}
    assert mask.float().softmax(-1).isfinite().all()
    assert (mask == 0).any(-1).all()


def test_plain_causal_rows_get_the_usual_two_dimensional_mask(rows):
    mask = attention_mask(rows.branch_ids, torch.bfloat16)
    assert mask.tolist() == (rows.branch_ids >= 0).int().tolist()


@pytest.mark.parametrize("layout", [pack, pack_rows])
def test_an_empty_prefix_is_refused_by_number(layout):
    with pytest.raises(ValueError, match="question 1 of the batch has an empty prefix"):
        layout([[11], []], [[[1], [2]], [[3], [4]]])


@pytest.mark.parametrize("layout", [pack, pack_rows])
def test_as_many_prefixes_as_lists_of_options(layout):
    with pytest.raises(ValueError, match="zip"):
        layout([[11]], CONTINUATIONS)


def test_a_batch_goes_to_a_device_whole_and_to_a_model_by_name(branched):
    moved = branched.to("meta")
    names = {"input_ids", "position_ids", "branch_ids", "option_spans", "fork", "reach"}
    assert branched.as_dict().keys() == names
    assert {tensor.device.type for tensor in moved.as_dict().values()} == {"meta"}


TOKENS = st.lists(st.integers(0, 99), min_size=1, max_size=4)


@given(
    questions=st.lists(
        st.tuples(TOKENS, st.lists(TOKENS, min_size=1, max_size=5)), min_size=1, max_size=4
    )
)
def test_each_option_sees_what_it_would_in_a_row_of_its_own(questions):
    """Tokens, positions and what a token sees, in both layouts, against the plain sequence."""
    prefixes, continuations = zip(*questions, strict=True)
    for batch in (pack(prefixes, continuations, PAD), pack_rows(prefixes, continuations, PAD)):
        n_tokens = batch.input_ids.shape[1]
        seen = attention_mask(batch.branch_ids, torch.float32)
        if seen.dim() == 2:  # plain causal rows
            seen = seen[:, None, :].bool() & torch.ones(n_tokens, n_tokens, dtype=torch.bool).tril()
        else:
            seen = seen[:, 0] == 0
        assert batch.option_mask.sum(1).tolist() == [len(options) for options in continuations]
        for question, (prefix, options) in enumerate(questions):
            for option, tokens in enumerate(options):
                start, end = batch.option_spans[question, option].tolist()
                row, last = divmod(end - 1, n_tokens)
                visible = seen[row, last]
                assert end - start == len(tokens)
                assert batch.input_ids[row][visible].tolist() == prefix + tokens
                positions = list(range(len(prefix) + len(tokens)))
                assert batch.position_ids[row][visible].tolist() == positions
