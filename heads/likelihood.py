"""The language-model head as a scorer: what is each option worth to the decoder itself?

Only the hidden states that predict an option's token go through the LM head, that at the end of the
prefix once for all options. `add_training_forward` gives a causal LM the same economy in training;
its completion loss is that of `LlamaForCausalLM`, the mean over all labelled tokens.
"""

import functools

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers.modeling_outputs import CausalLMOutput

from .branching import PREFIX, BranchedBatch, option_tokens
from .encoder_decoder import IGNORED, target_logits
from .losses import cross_entropy, mixed_loss
from .own_logits import own_logits
from .trunk import hidden_states

# 512 positions x 128,256 tokens (Llama 3) x 4 bytes = 263 MB of float32 logits at a time.
CHUNK = 512


def option_token_log_probabilities(model: nn.Module, batch: BranchedBatch) -> tuple:
    """Return the (N,) log-probability of every option token given all before it, in nats, float32.

    And the tokens' (N,) options, as question * O + option, in that order.

    Args:
        model: a causal LM of transformers, not wrapped by PEFT (adapters inside it are fine), or
            an encoder-decoder, which reads the prefix in its encoder.
        batch: branched or, of a causal LM, one row per option; the numbers are the same.
    """
    owner, token, source = option_tokens(batch.option_spans, batch.fork)
    targets = batch.input_ids.flatten()[token]
    if model.config.is_encoder_decoder:
        n_options = batch.fork.shape[1]
        logits = target_logits(model, batch.input_ids, batch.branch_ids, targets, owner, n_options)
        return logits.gather(1, targets[:, None]).squeeze(1) - logits.logsumexp(-1), owner
    hidden = hidden_states(model, batch.input_ids, batch.position_ids, batch.branch_ids)
    states, state_of = source.unique(return_inverse=True)
    result = hidden.new_zeros(len(owner), dtype=torch.float32)
    for start in range(0, len(states), CHUNK):
        logits = own_logits(model, hidden[states[start : start + CHUNK]])
        normalizer = logits.logsumexp(-1)
        mine = ((state_of >= start) & (state_of < start + CHUNK)).nonzero().squeeze(1)
        rows = state_of[mine] - start
        result = result.index_put((mine,), logits[rows, targets[mine]] - normalizer[rows])
    return result, owner


def option_log_likelihoods(model: nn.Module, batch: BranchedBatch) -> Tensor:
    """Return (B, O) log-probabilities of the options given their prefix, in nats.

    Each is the sum over an option's tokens, so 0 where there are none.
    """
    each, owner = option_token_log_probabilities(model, batch)
    totals = each.new_zeros(batch.fork.numel()).index_add(0, owner, each)
    return totals.view_as(batch.fork)


def next_token_log_probabilities(model: nn.Module, batch: BranchedBatch) -> Tensor:
    """Return (B, V) log-probabilities, in nats, of the token that follows each prefix."""
    if model.config.is_encoder_decoder:
        row = torch.arange(len(batch.fork), device=batch.fork.device)
        anything = torch.zeros_like(row)
        logits = target_logits(model, batch.input_ids, batch.branch_ids, anything, row)
    else:
        hidden = hidden_states(model, batch.input_ids, batch.position_ids, batch.branch_ids)
        logits = own_logits(model, hidden[batch.fork[:, 0]])
    return logits.log_softmax(-1)


def gold_option_loss(
    model: nn.Module,
    hidden_ND: Tensor,
    batch: BranchedBatch,
    labels: Tensor,
    num_items=None,
    *,
    targets: Tensor | None = None,
    weights: Tensor | None = None,
) -> Tensor:
    """Return the next-token loss of the right options, in nats per token, mean over questions.

    From the last hidden states of the batch; labels and num_items are those of `heads.losses`. With
    (B, O) targets each option counts by its share of its question's; weights are of questions.
    """
    question = torch.arange(len(labels), device=labels.device)
    if targets is None:
        spans = batch.option_spans[question, labels][:, None]
        fork = batch.fork[question, labels][:, None]
    else:
        spans = batch.option_spans.masked_fill((targets == 0)[:, :, None], 0)
        fork = batch.fork
    owner, token, source = option_tokens(spans, fork)
    known = source != token  # nothing predicts the first token of a row
    owner, token, source = owner[known], token[known], source[known]
    logits = own_logits(model, hidden_ND[source])
    each = F.cross_entropy(logits, batch.input_ids.flatten()[token], reduction="none")
    each = each / owner.bincount(minlength=fork.numel())[owner]
    if targets is not None:
        share_BO = targets / targets.sum(-1, keepdim=True).clamp(min=1)
        share_BO = share_BO if weights is None else share_BO * weights[:, None]
        each = each * share_BO.flatten()[owner]
    return each.sum() / (len(labels) if num_items is None else num_items)


def completion_loss(
    model: nn.Module,
    input_ids: Tensor,
    branch_ids: Tensor,
    labels: Tensor,
    num_items=None,
    weights: Tensor | None = None,
) -> Tensor:
    """Return the next-token loss over the labelled tokens, in nats per token.

    Args:
        input_ids, branch_ids: (R, T) plain causal rows.
        labels: (R, T) the token itself where it counts, -100 elsewhere.
        num_items: labelled tokens of the whole optimizer step; by default those of this batch.
        weights: (R,) what the loss of each row's tokens is multiplied by.
    """
    if model.config.is_encoder_decoder:
        labelled = labels != IGNORED
        targets, row = labels[labelled], labelled.nonzero()[:, 0]
        known = branch_ids.masked_fill(labelled, PREFIX + 1)
        logits = target_logits(model, input_ids, known, targets, row)
    else:
        position_ids = torch.arange(input_ids.shape[1], device=input_ids.device)[None]
        hidden = hidden_states(model, input_ids, position_ids, branch_ids)
        following = F.pad(labels[:, 1:], (0, 1), value=IGNORED).flatten()
        counted = (following != IGNORED).nonzero().squeeze(1)
        logits, targets = own_logits(model, hidden[counted]), following[counted]
        row = counted // input_ids.shape[1]
    if weights is None:
        total = F.cross_entropy(logits, targets, reduction="sum")
    else:
        total = (F.cross_entropy(logits, targets, reduction="none") * weights[row]).sum()
    return total / (len(targets) if num_items is None else num_items)


class _TrainingForward:
    """A causal LM whose forward can return a training loss of this module."""

    def forward(self, input_ids=None, *, labels=None, branch_ids=None, **kwargs):
        if branch_ids is None:
            return super().forward(input_ids, labels=labels, **kwargs)
        gold = labels, kwargs.pop("num_items_in_batch", None)
        soft = {name: kwargs.pop(name, None) for name in ("targets", "losses", "weights")}
        if "option_spans" not in kwargs:
            weights = soft["weights"]
            return CausalLMOutput(completion_loss(self, input_ids, branch_ids, *gold, weights))
        batch = BranchedBatch(input_ids, branch_ids=branch_ids, **kwargs)
        scores_BO = option_log_likelihoods(self, batch)
        loss = mixed_loss(cross_entropy, scores_BO, batch.option_mask, *gold, **soft)
        return CausalLMOutput(loss=loss, logits=scores_BO)


def add_training_forward(model: nn.Module) -> nn.Module:
    """Let a causal LM return the losses that training needs.

    `model(input_ids, branch_ids=..., labels=...)` returns `completion_loss`; with a whole branched
    batch and (B,) labels it returns the cross-entropy of a softmax over the options'
    log-likelihoods, or another loss of these (see `mixed_loss`), and them as (B, O) `logits`.

    DDP, PEFT and AdaLoRA's regularizer want the loss out of the model's own `forward`. So the class
    of this one instance is extended, under its own name, for calls with `branch_ids` only.
    """
    base = type(model)
    forward = functools.wraps(base.forward)(_TrainingForward.forward)
    members = {"forward": forward, "__module__": base.__module__}
    model.__class__ = type(base.__name__, (_TrainingForward, base), members)
    return model
