"""The language-model head as a scorer: what is each option worth to the decoder itself?

Only the hidden states that predict an option's token go through the LM head. Of a MedMCQA
question that is one state in three, and the head of a small Llama costs a quarter of its trunk.
The state at the end of the prefix predicts the first token of every option and is run once.

`add_completion_loss` gives a causal LM the same economy in training. Its loss is the one of
`LlamaForCausalLM`: the mean over all labelled tokens.
"""

import functools

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers.modeling_outputs import CausalLMOutput

from .branching import BranchedBatch, option_tokens
from .trunk import hidden_states

# 512 positions x 128,256 tokens (Llama 3) x 4 bytes = 263 MB of float32 logits at a time.
CHUNK = 512


def token_logits(model: nn.Module, hidden_ND: Tensor) -> Tensor:
    """Return (N, V) float32 next-token logits of N hidden states."""
    logits_NV = model.get_output_embeddings()(hidden_ND).float()
    cap = getattr(model.config, "final_logit_softcapping", None)
    return logits_NV if cap is None else cap * torch.tanh(logits_NV / cap)


def option_token_log_probabilities(model: nn.Module, batch: BranchedBatch) -> tuple:
    """Return the log-probability of every option token given all before it, in nats.

    Args:
        model: a causal LM of transformers, not wrapped by PEFT (adapters inside it are fine).
        batch: branched or one row per option; the numbers are the same.

    Returns:
        (N,) float32 log-probabilities, option by option, and their (N,) owners: question * O +
        option.
    """
    hidden = hidden_states(model, batch.input_ids, batch.position_ids, batch.branch_ids)
    owner, token, source = option_tokens(batch.option_spans, batch.fork)
    states, state_of = source.unique(return_inverse=True)
    targets = batch.input_ids.flatten()[token]
    result = hidden.new_zeros(len(owner), dtype=torch.float32)
    for start in range(0, len(states), CHUNK):
        logits = token_logits(model, hidden[states[start : start + CHUNK]])
        normalizer = logits.logsumexp(-1)
        mine = ((state_of >= start) & (state_of < start + CHUNK)).nonzero().squeeze(1)
        rows = state_of[mine] - start
        result = result.index_put((mine,), logits[rows, targets[mine]] - normalizer[rows])
    return result, owner


def option_log_likelihoods(model: nn.Module, batch: BranchedBatch) -> Tensor:
    """Return (B, O) log-probabilities of the options given their prefix, in nats.

    The sum over an option's tokens, so 0 for an option without tokens or without existence.
    Takes what `option_token_log_probabilities` takes.
    """
    each, owner = option_token_log_probabilities(model, batch)
    totals = each.new_zeros(batch.fork.numel()).index_add(0, owner, each)
    return totals.view_as(batch.fork)


def next_token_log_probabilities(model: nn.Module, batch: BranchedBatch) -> Tensor:
    """Return (B, V) log-probabilities, in nats, of the token that follows each prefix."""
    hidden = hidden_states(model, batch.input_ids, batch.position_ids, batch.branch_ids)
    return token_logits(model, hidden[batch.fork[:, 0]]).log_softmax(-1)


def gold_option_loss(
    model: nn.Module, hidden_ND: Tensor, batch: BranchedBatch, labels: Tensor, num_items=None
) -> Tensor:
    """Return the next-token loss of the right options, in nats per token, mean over questions.

    Args:
        model: has an LM head.
        hidden_ND: (R * T, D) last hidden states of the batch.
        labels: (B,) index of the right option.
        num_items: questions of the whole optimizer step; by default those of this batch.
    """
    question = torch.arange(len(labels), device=labels.device)
    spans, fork = batch.option_spans[question, labels], batch.fork[question, labels]
    owner, token, source = option_tokens(spans[:, None], fork[:, None])
    known = source != token  # nothing predicts the first token of a row
    owner, token, source = owner[known], token[known], source[known]
    logits = token_logits(model, hidden_ND[source])
    each = F.cross_entropy(logits, batch.input_ids.flatten()[token], reduction="none")
    lengths = owner.bincount(minlength=len(labels))
    return (each / lengths[owner]).sum() / (len(labels) if num_items is None else num_items)


def completion_loss(
    model: nn.Module, input_ids: Tensor, branch_ids: Tensor, labels: Tensor, num_items=None
) -> Tensor:
    """Return the next-token loss over the labelled tokens, in nats per token.

    Args:
        input_ids, branch_ids: (R, T) plain causal rows.
        labels: (R, T) the token itself where it counts, -100 elsewhere.
        num_items: labelled tokens of the whole optimizer step, where gradients accumulate;
            by default those of this batch.
    """
    position_ids = torch.arange(input_ids.shape[1], device=input_ids.device)[None]
    hidden = hidden_states(model, input_ids, position_ids, branch_ids)
    following = F.pad(labels[:, 1:], (0, 1), value=-100).flatten()
    counted = (following != -100).nonzero().squeeze(1)
    total = F.cross_entropy(
        token_logits(model, hidden[counted]), following[counted], reduction="sum"
    )
    return total / (len(counted) if num_items is None else num_items)


class _CompletionLoss:
    """A causal LM whose forward computes logits only where there is a label."""

    def forward(self, input_ids=None, *, labels=None, branch_ids=None, **kwargs):
        if branch_ids is None:
            return super().forward(input_ids, labels=labels, **kwargs)
        num_items = kwargs.get("num_items_in_batch")
        return CausalLMOutput(loss=completion_loss(self, input_ids, branch_ids, labels, num_items))


def add_completion_loss(model: nn.Module) -> nn.Module:
    """Let `model(input_ids, branch_ids=..., labels=...)` return the loss of `completion_loss`.

    The class of this one instance is extended under its own name, so what the model saves, and
    everything it does without `branch_ids` (generation, say), stays as it was. Going through
    `forward` is what lets DDP and PEFT wrap the model.
    """
    base = type(model)
    forward = functools.wraps(base.forward)(_CompletionLoss.forward)
    model.__class__ = type(base.__name__, (_CompletionLoss, base), {"forward": forward})
    return model
