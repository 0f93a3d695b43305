"""Virtual tokens in front of every row: embeddings, or keys and values for every layer.

Trained prompts of PEFT's prompt learning (prompt tuning, P-tuning, prefix tuning) are more prefix:
every token sees them and positions start behind them, so a branched batch stays branched.

The trap: PEFT adds them in the forward of its wrapper only, and without it a model scores without
them and gives no error. So the model itself says where they come from (`soft_prompt`).
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers.modeling_outputs import BaseModelOutputWithPast


class PromptedTrunk:
    """Call a decoder with virtual tokens in front, and return the states of the real ones.

    Args:
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
        """Return (R, T, D) last hidden states; the (R, T) or (1, T) positions start at 0.

        The mask is (R, T), or an additive (R, 1, T, T), or one for each type of layer.
        """
        virtual = self.prompt(len(input_ids))
        if has_rows := isinstance(virtual, Tensor):
            n_virtual = virtual.shape[1]
            embeddings = self.trunk.get_input_embeddings()(input_ids)
            tokens = {"inputs_embeds": torch.cat((virtual.to(embeddings.dtype), embeddings), dim=1)}
            first = torch.arange(n_virtual, device=input_ids.device).expand(len(position_ids), -1)
            position_ids = torch.cat((first, position_ids + n_virtual), dim=1)
        else:
            n_virtual = virtual.get_seq_length()
            tokens = {"input_ids": input_ids, "past_key_values": virtual}
            position_ids = position_ids + n_virtual
        mask = _with_prompt(attention_mask, n_virtual, has_rows)
        tokens |= {"position_ids": position_ids, "attention_mask": mask, "use_cache": use_cache}
        hidden = self.trunk(**tokens).last_hidden_state
        return BaseModelOutputWithPast(last_hidden_state=hidden[:, -input_ids.shape[1] :])


def _with_prompt(mask, n_virtual: int, has_rows: bool):
    """Let all tokens see `n_virtual` keys before their own; these may have causal rows too."""
    if isinstance(mask, dict):
        return {kind: _with_prompt(one, n_virtual, has_rows) for kind, one in mask.items()}
    seen = F.pad(mask, (n_virtual, 0), value=1 if mask.dim() == 2 else 0)
    if mask.dim() == 2 or not has_rows:
        return seen
    rows = seen.new_full((n_virtual, seen.shape[-1]), torch.finfo(mask.dtype).min).triu(1)
    return torch.cat((rows.expand(len(seen), 1, -1, -1), seen), dim=2)
