"""From (B, O, T) rows to a branched batch, drawn by hand."""

import pytest
import torch

from heads.shared_prefix import branch_rows, shared_length

# Padded left, right, and not at all; token 0 is also a word.
ROWS = torch.tensor([[[0, 5, 6, 7], [5, 6, 0, 8], [5, 6, 9, 0]]])
MASK = torch.tensor([[[0, 1, 1, 1], [1, 1, 1, 1], [1, 1, 1, 0]]])


def test_the_shared_prefix_is_kept_once_and_padding_is_what_the_mask_says():
    batch = branch_rows(ROWS, MASK)
    assert batch.input_ids.tolist() == [[5, 6, 7, 0, 8, 9]]
    assert batch.position_ids.tolist() == [[0, 1, 2, 2, 3, 2]]
    assert batch.branch_ids.tolist() == [[0, 0, 1, 2, 2, 3]]
    assert batch.option_spans.tolist() == [[[2, 3], [3, 5], [5, 6]]]
    assert batch.fork.tolist() == [[1, 1, 1]]


def test_turned_off_every_option_has_a_row_and_the_same_span():
    batch = branch_rows(ROWS, MASK, share_prefix=False)
    assert batch.input_ids.tolist() == [[5, 6, 7, 0], [5, 6, 0, 8], [5, 6, 9, 0]]
    assert batch.branch_ids.tolist() == [[0, 0, 1, -1], [0, 0, 1, 1], [0, 0, 1, -1]]
    assert batch.option_spans.tolist() == [[[2, 3], [6, 8], [10, 11]]]


def test_without_a_mask_every_token_is_real():
    batch = branch_rows(torch.tensor([[[5, 0, 0], [5, 0, 1]]]))
    assert batch.input_ids.tolist() == [[5, 0, 0, 1]]
    assert batch.branch_ids.tolist() == [[0, 0, 1, 2]]


@pytest.mark.parametrize(
    ("rows", "length"),
    [
        ([[1, 2, 3], [1, 2, 4]], 2),
        ([[1, 2, 3], [1, 2, 3]], 2),  # the same option twice
        ([[1, 2], [1, 2, 3]], 1),  # one is the beginning of the other
        ([[1], [1, 2]], 0),
        ([[1, 2], [3, 4]], 0),
        ([[1, 2, 3]], 2),
    ],
)
def test_every_option_keeps_a_token(rows, length):
    assert shared_length(rows) == length


def test_options_that_share_nothing_get_rows_of_their_own_beside_others():
    batch = branch_rows(torch.tensor([[[5, 6], [7, 6]], [[8, 1], [8, 2]]]))
    assert batch.input_ids.tolist() == [[5, 6, 0], [7, 6, 0], [8, 1, 2]]
    assert batch.branch_ids.tolist() == [[1, 1, -1], [1, 1, -1], [0, 1, 2]]
    assert batch.option_spans.tolist() == [[[0, 2], [3, 5]], [[7, 8], [8, 9]]]
    assert batch.fork.tolist() == [[0, 3], [6, 6]]


def test_options_that_do_not_exist_share_nothing_and_keep_their_place():
    rows = torch.tensor([[[5, 6, 1], [9, 9, 9], [5, 6, 2]], [[7, 1, 0], [7, 2, 0], [0, 0, 0]]])
    mask = (rows != 0).long()
    exists = torch.tensor([[1, 0, 1], [1, 1, 0]])
    batch = branch_rows(rows, mask, exists)
    assert batch.input_ids.tolist() == [[5, 6, 1, 2], [7, 1, 2, 0]]
    assert batch.option_mask.tolist() == [[True, False, True], [True, True, False]]
    # An option without a single real token does not exist either.
    assert branch_rows(rows[1:], mask[1:]).option_mask.tolist() == [[True, True, False]]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((ROWS, MASK[:, :2]), "attention_mask has shape .1, 2, 4., input_ids .1, 3, 4."),
        ((ROWS, MASK, torch.ones(1, 2)), "option_mask has shape .1, 2., must be .1, 3."),
        ((ROWS, MASK * 0), "question 0 of the batch has no option"),
        ((ROWS, MASK, torch.zeros(1, 3)), "question 0 of the batch has no option"),
        (
            (ROWS, MASK * torch.tensor([[[1], [0], [1]]]), torch.ones(1, 3)),
            "option 1 of question 0",
        ),
    ],
)
def test_what_does_not_fit_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        branch_rows(*arguments)
