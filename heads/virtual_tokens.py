"""Virtual tokens in front of every row: embeddings, or keys and values for every layer.

Trained prompts of PEFT's prompt learning (prompt tuning, P-tuning, prefix tuning) are more prefix:
every token sees them and positions start behind them, so a branched batch stays branched.

The trap: PEFT adds them in the forward of its wrapper only. Whoever takes the model out of the
wrapper scores without them and gets no error, so the model itself says where they come from
(`soft_prompt`).
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers.modeling_outputs import BaseModelOutputWithPast


class PromptedTrunk:
    """Call a decoder with virtual tokens in front, and return the states of the real ones.

    Args:
        trunk: a transformers decoder without its head.
        prompt: a number of rows R -> (R, V, D) embeddings, or a cache of V keys and values.
    """

    def __init__(self, trunk: nn.Module, prompt):
        self.trunk = trunk
        self.prompt = prompt
        self.config = trunk.config
        self.dtype = trunk.dtype

    def __call__(
        self, input_ids: Tensor, position_ids: Tensor, attention_mask, use_cache: bool
    ) -> BaseModelOutputWithPast:
        """Return the (R, T, D) last hidden states of tokens at (R, T) or (1, T) positions.

        These are counted without the virtual tokens. The mask is (R, T), or an additive
        (R, 1, T, T), or one for each type of layer.
        """
        virtual = self.prompt(len(input_ids))
        if not isinstance(virtual, Tensor):
            n_virtual = virtual.get_seq_length()
            return self.trunk(
                input_ids=input_ids,
                position_ids=position_ids + n_virtual,
                attention_mask=_for_each_type(_see_prompt, attention_mask, n_virtual),
                past_key_values=virtual,
                use_cache=use_cache,
            )
        n_virtual = virtual.shape[1]
        embeddings = self.trunk.get_input_embeddings()(input_ids)
        first = torch.arange(n_virtual, device=input_ids.device).expand(len(position_ids), -1)
        hidden = self.trunk(
            inputs_embeds=torch.cat((virtual.to(embeddings.dtype), embeddings), dim=1),
            position_ids=torch.cat((first, position_ids + n_virtual), dim=1),
            attention_mask=_for_each_type(_lead_with_prompt, attention_mask, n_virtual),
            use_cache=use_cache,
        ).last_hidden_state
        return BaseModelOutputWithPast(last_hidden_state=hidden[:, n_virtual:])


def _for_each_type(extend, masks, n_virtual: int):
    if isinstance(masks, dict):
        return {kind: extend(mask, n_virtual) for kind, mask in masks.items()}
    return extend(masks, n_virtual)


def _see_prompt(mask: Tensor, n_virtual: int) -> Tensor:
    """Let every token of an (R, T) or (R, 1, T, T) mask see `n_virtual` keys before its own."""
    return F.pad(mask, (n_virtual, 0), value=1 if mask.dim() == 2 else 0)


def _lead_with_prompt(mask: Tensor, n_virtual: int) -> Tensor:
    """Give the virtual tokens rows of their own too; they see each other causally."""
    if mask.dim() == 2:
        return _see_prompt(mask, n_virtual)
    seen = _see_prompt(mask, n_virtual)
    lowest = torch.finfo(mask.dtype).min
    rows = seen.new_full((n_virtual, seen.shape[-1]), lowest).triu(1)
    return torch.cat((rows.expand(len(seen), 1, -1, -1), seen), dim=2)
