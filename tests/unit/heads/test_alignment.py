"""No bit of a score depends on where a tensor lies.

On the CPUs where float32 products round by it (all that were tried: AMD Zen 4 with AVX-512 and
with AVX2), the scores themselves differ without `heads.alignment`. Where no CPU shows it, the last
test of this file and of `tests/contracts/test_recipes.py` still ask where products find operands.
"""

import pytest
import torch
import torch.nn.functional as F
from moved import at, move

from heads.alignment import align, aligned, is_aligned
from heads.branching import pack
from heads.option_head import OptionHead
from heads.settings import HeadSettings

OFFSETS = (4, 8, 12)
WIDTH = 64


@pytest.fixture(params=["last", "mean", "attention"])
def pooling(request):
    return request.param


@pytest.fixture(params=["none", "attention"])
def head(request, pooling):
    """A head of every kind with weights that matter."""
    settings = HeadSettings(pooling=pooling, interaction=request.param)
    made = OptionHead(WIDTH, settings)
    if made.interaction is not None:
        made.interaction.start()
    made.start("zero")
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.normal_(std=0.3)
    return made.eval()


@pytest.fixture(params=[1, 2, 7])
def batch(request):
    """One question, two, or seven, of two or three options."""
    prefixes = [[5, 6, 7]] * request.param
    options = [
        [[1, 2], [3]] if number % 2 else [[4, 1], [2], [3]] for number in range(len(prefixes))
    ]
    return pack(prefixes, options)


@pytest.mark.bits
@pytest.mark.parametrize("offset", OFFSETS)
@torch.inference_mode()
def test_a_head_scores_alike_wherever_its_weights_and_states_lie(head, batch, offset):
    hidden = torch.randn(batch.input_ids.numel(), WIDTH)
    expected = head(hidden, batch)
    assert torch.equal(move(head, offset)(hidden, batch), expected)
    assert torch.equal(head(at(hidden, offset), batch), expected)


@pytest.mark.bits
@torch.inference_mode()
def test_an_option_scores_alike_whoever_is_in_the_batch(pooling):
    head = OptionHead(WIDTH, HeadSettings(pooling=pooling))
    for parameter in head.parameters():
        parameter.normal_()
    batch = pack([[5, 6, 7]] * 9, [[[1, 2], [3]]] * 9)
    hidden = torch.randn(batch.input_ids.numel(), WIDTH)
    alone = pack([[5, 6, 7]], [[[1, 2], [3]]])
    each = [head(states, alone)[0] for states in hidden.split(alone.input_ids.numel())]
    assert torch.equal(head(hidden, batch), torch.stack(each))


@pytest.mark.bits
@pytest.mark.parametrize("shape", [(1, 1), (3, 24), (37, 1), (37, 8), (37, 64)])
def test_products_of_aligned_operands_are_equal(shape):
    n_rows, n_columns = shape
    x, weight = torch.randn(n_rows, WIDTH), torch.randn(n_columns, WIDTH)
    expected = F.linear(at(x, 0), at(weight, 0))
    for offset in range(4, 64, 4):
        assert torch.equal(F.linear(aligned(at(x, offset)), aligned(at(weight, offset))), expected)


def test_what_is_misaligned_moves_and_nothing_else():
    model = torch.nn.Linear(WIDTH, 1)
    model.register_buffer("scale", at(torch.ones(3), 4))
    model.weight.data = at(model.weight, 8)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    bias = model.bias.data_ptr()
    weight = model.weight
    assert not is_aligned(model.weight)
    assert not is_aligned(model.scale)
    assert align(model).weight is weight
    assert all(map(is_aligned, (model.weight, model.scale)))
    assert model.bias.data_ptr() == bias
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())


def test_what_has_no_memory_or_rounds_alike_anywhere_is_left_alone():
    assert is_aligned(at(torch.ones(3, dtype=torch.bfloat16), 2))
    assert is_aligned(torch.ones(3, device="meta"))
