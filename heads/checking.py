"""A decoder is checked against itself: does it give its own numbers when its options branch?

Branched, one row per option, and the model's own forward are compared on one short text: first on a
small copy in float32 (`heads.small_copy`); then on the model itself, coarsely where it rounds. Ways
that are not right are not used; if one row per option is not right either, the decoder is refused.

The trap: bidirectional models have a causal class too, and every way agrees on numbers that mean
nothing; so the check also asks whether the beginning of a text knows how the text goes on.
"""

import contextlib

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from .branching import BranchedBatch, option_tokens, pack, pack_rows
from .caching import run_cached
from .multiple_choice import DecoderForMultipleChoice
from .own_logits import own_logits, trunk_name
from .small_copy import small_copy
from .trunk import WAYS, hidden_states, unknown_layers

# How far numbers may be from those they should equal, as a part of their spread.
EXACT, ROUNDED = 1e-3, 0.25
PREFIX = (11, 23, 35, 17, 29, 41, 13, 37)
OPTIONS = ((19, 31, 43, 53, 7), (47, 25))
OTHER_NUMBERS = "branched options would not get the numbers of their own rows"


class DecoderError(ValueError):
    """A decoder whose numbers would be wrong whatever way it is run."""


@torch.no_grad()
def check_decoder(model: nn.Module, twin: nn.Module | None) -> str:
    """Keep a model to the ways that are right; return why it runs one row per option, if it must.

    Args:
        model: a causal LM, or a multiple-choice model of `heads`; nothing else of it changes.
        twin: the same in evaluation mode, to be run with its weights, for a first run leaves
            traces in quantized layers; None runs the small copy only.

    Raises:
        DecoderError: even these rows do not give what its own forward gives.
    """
    right, reason = _ways_of_architecture(model)
    if twin is not None:
        exact = model.dtype == torch.float32 and getattr(model, "hf_quantizer", None) is None
        tolerance = EXACT if exact else ROUNDED
        if right and not _right_ways(twin, tolerance, ["masked"]):
            right, reason = frozenset(), OTHER_NUMBERS
        if not right:
            _check_rows(twin, tolerance)
    getattr(model, trunk_name(model)).right_ways = right
    return reason


def _ways_of_architecture(model: nn.Module) -> tuple[frozenset[str], str]:
    """Return which ways are right for a model's architecture, and why branching is not."""
    if kinds := unknown_layers(model.config):
        return frozenset(), f"it has layers of type {kinds}"
    try:
        small = small_copy(model)
        _own_states(small)
    except Exception as error:  # of any kind: configurations of other people's classes
        return frozenset(), f"its small copy cannot be run to check it ({_first_line(error)})"
    _check_rows(small, EXACT)
    right = _right_ways(small, EXACT)
    return (right, "") if "masked" in right else (frozenset(), OTHER_NUMBERS)


def _check_rows(model: nn.Module, tolerance: float) -> None:
    """Refuse a model that looks ahead, or gives other numbers with one row per option."""
    rows = pack_rows([PREFIX], [OPTIONS]).to(model.device)
    try:
        own = _own_states(model)
        of_rows = _states(model, rows)
    except Exception as error:
        raise DecoderError(f"it cannot be run on rows of tokens ({_first_line(error)})") from error
    if not _near(*own[:, : len(PREFIX)], tolerance):
        raise DecoderError("it looks ahead at the tokens that are to be predicted")
    if not _near(of_rows, own.flatten(0, 1)[_wanted(rows)], tolerance):
        raise DecoderError("its numbers are not those of its own forward pass")


def _right_ways(model: nn.Module, tolerance: float, ways=WAYS) -> frozenset[str]:
    """Return which ways of running a branched batch give what the model itself gives.

    `masked` stands for what the model's kind of attention runs.
    """
    batch = pack([PREFIX], [OPTIONS]).to(model.device)
    expected = _own_states(model).flatten(0, 1)[_wanted(pack_rows([PREFIX], [OPTIONS]))]
    right = set()
    for way in ways:
        with contextlib.suppress(Exception):  # what cannot be run is not right
            if _near(_states(model, batch, way), expected, tolerance):
                right.add(way)
    return frozenset(right)


def _own_states(model: nn.Module) -> Tensor:
    """Return (2, T, V) logits of the model's own forward, or hidden states where it has none.

    Each row runs alone: in some models padding moves the numbers of others.
    """
    states = []
    for option in OPTIONS:
        input_ids = torch.tensor([[*PREFIX, *option]], device=model.device)
        if isinstance(model, DecoderForMultipleChoice):
            output = model.base_model(input_ids=input_ids, use_cache=False).last_hidden_state
        else:
            output = model(input_ids=input_ids, use_cache=False).logits
        states.append(output[0].float())
    return pad_sequence(states, batch_first=True)


def _states(model, batch: BranchedBatch, way: str = "masked") -> Tensor:
    tokens = batch.input_ids, batch.position_ids, batch.branch_ids
    trunk = getattr(model, trunk_name(model))
    hidden = run_cached(trunk, *tokens) if way == "cached" else hidden_states(model, *tokens)
    hidden = hidden[_wanted(batch)]
    has_head = isinstance(model, DecoderForMultipleChoice)
    return hidden.float() if has_head else own_logits(model, hidden)


def _wanted(batch: BranchedBatch) -> Tensor:
    """Return where what is compared stands: the options' tokens, and those that predict them."""
    _, token, source = option_tokens(batch.option_spans, batch.fork)
    return torch.cat((source, token))


def _near(one: Tensor, other: Tensor, tolerance: float) -> bool:
    apart = (one - other).norm(dim=-1)
    spread = (other - other.mean(-1, keepdim=True)).norm(dim=-1)
    unknown = ~other.isfinite().all(-1)  # damaged weights: whoever scores with them will say so
    return bool(((apart <= tolerance * spread) | unknown).all())


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0] or type(error).__name__
