"""The same likelihoods from an encoder-decoder (T5): the prefix runs once, in the encoder.

The batch's prefixes are the encoder's input, and every option is a decoder row of its own that
attends to the encoder's states of its question. Nothing is computed twice, so nothing branches.
"""

import torch
from torch import Tensor, nn
from transformers.modeling_outputs import BaseModelOutput

from .branching import PREFIX, BranchedBatch, option_tokens

IGNORED = -100


def _encode_prefixes(model: nn.Module, input_ids: Tensor, branch_ids: Tensor) -> tuple:
    """Run the encoder over the (R, T) rows' prefixes: (R, P, D) states and their (R, P) mask."""
    mask = branch_ids == PREFIX
    longest = int(mask.sum(1).max())
    mask = mask[:, :longest].long()
    encoder = model.get_encoder()
    states = encoder(input_ids=input_ids[:, :longest], attention_mask=mask).last_hidden_state
    return states, mask


def _decode_labels(model: nn.Module, states: Tensor, mask: Tensor, labels: Tensor) -> Tensor:
    """Return (M, L, V) float32 logits that predict (M, L) labels behind (M, P, D) states."""
    return model(
        encoder_outputs=BaseModelOutput(last_hidden_state=states),
        attention_mask=mask,
        decoder_input_ids=model.prepare_decoder_input_ids_from_labels(labels),
        use_cache=False,
    ).logits.float()


def option_token_log_probabilities(model: nn.Module, batch: BranchedBatch) -> tuple[Tensor, Tensor]:
    """Return what `heads.likelihood.option_token_log_probabilities` does, of a branched batch."""
    states, mask = _encode_prefixes(model, batch.input_ids, batch.branch_ids)
    owner, token, _ = option_tokens(batch.option_spans, batch.fork)
    present, row, length = owner.unique_consecutive(return_inverse=True, return_counts=True)
    column = torch.arange(len(owner), device=owner.device) - (length.cumsum(0) - length)[row]
    labels = batch.input_ids.new_full((len(present), int(length.max())), IGNORED)
    labels[row, column] = batch.input_ids.flatten()[token]
    question = present // batch.fork.shape[1]
    logits = _decode_labels(model, states[question], mask[question], labels)[row, column]
    chosen = logits.gather(1, labels[row, column][:, None]).squeeze(1)
    return chosen - logits.logsumexp(-1), owner


def next_token_log_probabilities(model: nn.Module, batch: BranchedBatch) -> Tensor:
    """Return (B, V) log-probabilities, in nats, of the decoder's first token."""
    states, mask = _encode_prefixes(model, batch.input_ids, batch.branch_ids)
    anything = torch.zeros(len(states), 1, dtype=torch.long, device=states.device)
    return _decode_labels(model, states, mask, anything)[:, 0].log_softmax(-1)


def completion_loss(
    model: nn.Module, input_ids: Tensor, branch_ids: Tensor, labels: Tensor, num_items=None
) -> Tensor:
    """Return what `heads.likelihood.completion_loss` returns: nats per labelled token."""
    labelled = labels != IGNORED
    states, mask = _encode_prefixes(model, input_ids, branch_ids.masked_fill(labelled, PREFIX + 1))
    length = labelled.sum(1)
    shown = torch.arange(int(length.max()), device=length.device) < length[:, None]
    decoder_labels = labels.new_full(shown.shape, IGNORED)
    decoder_labels[shown] = labels[labelled]
    logits = _decode_labels(model, states, mask, decoder_labels)
    total = nn.functional.cross_entropy(logits[shown], decoder_labels[shown], reduction="sum")
    return total / (length.sum() if num_items is None else num_items)
