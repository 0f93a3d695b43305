"""One training step as `mcqa.training.loop` takes it, with its tensors booked by what they are for.

Used on tensors without storage to foretell, and on real ones to check that.
"""

import contextlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain

import torch
from torch import Tensor, nn

from mcqa.footprint.ledger import Ledger
from mcqa.formulations.objectives import Objective
from mcqa.prompting.encoding import EncodedQuestion
from mcqa.question import Question

WEIGHTS, ADAPTER, OPTIMIZER = "weights", "adapter", "optimizer"
GRADIENTS, ACTIVATIONS = "gradients", "activations"
PARTS = (WEIGHTS, ADAPTER, GRADIENTS, OPTIMIZER, ACTIVATIONS, "total")


@dataclass(frozen=True)
class Shape:
    """Say how large a batch is.

    Args:
        batch_size: B questions.
        length: T tokens of each row, all options included.
        options: O options of a question.
        option_length: tokens of an option.
    """

    batch_size: int
    length: int
    options: int
    option_length: int


def example(objective: Objective, shape: Shape) -> EncodedQuestion | None:
    """Return a question of exactly `shape.length` tokens, None where that is too short.

    Every token is the same one: memory does not depend on which they are.
    """
    question = Question(id="q", stem="q", options=("a",) * shape.options, label=0)
    options = ((1,) * shape.option_length,) * shape.options
    prefix = shape.length - (objective.length(EncodedQuestion(question, (1,), options)) - 1)
    return EncodedQuestion(question, (1,) * prefix, options) if prefix > 0 else None


def own_tensors(model: nn.Module, without: Iterable[str] = ()) -> list[Tensor]:
    """Return a model's parameters and buffers, but for those of the modules named `without`."""
    prefixes = tuple(f"{name}." for name in without)
    named = chain(model.named_parameters(), model.named_buffers())
    return [tensor for name, tensor in named if not name.startswith(prefixes)]


def with_scales(tensors: Iterable[Tensor]) -> Iterator[Tensor]:
    """Yield tensors, and what bitsandbytes keeps beside those that are quantized weights."""
    for tensor in tensors:
        yield tensor
        state = getattr(tensor, "quant_state", None)
        outer = getattr(state, "state2", None)
        beside = (
            (tensor, ("SCB",)),
            (state, ("absmax", "code", "offset")),
            (outer, ("absmax", "code")),
        )
        for holder, names in beside:
            found = (getattr(holder, name, None) for name in names)
            yield from (scale for scale in found if isinstance(scale, Tensor))


def trainable(model: nn.Module) -> list[nn.Parameter]:
    """Return the parameters that take gradients."""
    return [parameter for parameter in model.parameters() if parameter.requires_grad]


def state_tensors(optimizer: torch.optim.Optimizer) -> list[Tensor]:
    """Return what an optimizer remembers."""
    values = (value for state in optimizer.state.values() for value in state.values())
    return [value for value in values if isinstance(value, Tensor)]


def book_step(
    model: nn.Module,
    batch: dict[str, Tensor],
    optimizer: torch.optim.Optimizer,
    ledger: Ledger,
    dtype: torch.dtype,
) -> tuple[int, dict[str, int]]:
    """Take a step and book its tensors; the model's own are labelled already.

    A step of the optimizer comes before it, for its state to be there from the beginning.

    Args:
        model: in training mode.
        batch: what its forward takes.
        optimizer: of its trainable parameters.
        ledger: entered.
        dtype: what the model computes in.

    Returns:
        When the step began, and bytes of `optimizer`, `activations` and `gradients`.
    """
    parameters = trainable(model)
    for parameter in parameters:
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    state = ledger.label(OPTIMIZER, state_tensors(optimizer))
    optimizer.zero_grad()
    start = ledger.mark()
    mixed = contextlib.nullcontext()
    if dtype is not torch.float32:
        mixed = torch.autocast(parameters[0].device.type, dtype)
    with mixed:
        loss = model(**batch).loss
    activations = ledger.label_rest(ACTIVATIONS)
    loss.backward()
    gradients = ledger.label(GRADIENTS, [p.grad for p in parameters if p.grad is not None])
    nn.utils.clip_grad_norm_(parameters, 1.0)
    optimizer.step()
    return start, {OPTIMIZER: state, ACTIVATIONS: activations, GRADIENTS: gradients}
