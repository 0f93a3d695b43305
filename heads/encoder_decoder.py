"""What an encoder-decoder (T5) predicts: the prefix runs once, in the encoder.

The batch's prefixes are the encoder's input, and every option is a decoder row of its own that
attends to the encoder's states of its question. Nothing is computed twice, so nothing branches.
"""

import torch
from torch import Tensor, nn
from transformers.modeling_outputs import BaseModelOutput

from .branching import PREFIX

IGNORED = -100


def target_logits(
    model: nn.Module, input_ids: Tensor, branch_ids: Tensor, targets: Tensor, owner: Tensor, each=1
) -> Tensor:
    """Return the (N, V) float32 logits that predict N tokens behind the (R, T) rows' prefixes.

    Args:
        targets: (N,) tokens, text by text.
        owner: (N,) the number of each token's text; a row's are `each` numbers in succession.
    """
    mask = branch_ids == PREFIX
    longest = int(mask.sum(1).max())
    mask = mask[:, :longest].long()
    encoder = model.get_encoder()
    states = encoder(input_ids=input_ids[:, :longest], attention_mask=mask).last_hidden_state
    text, length = owner.unique_consecutive(return_counts=True)
    row = text // each
    shown = torch.arange(int(length.max()), device=length.device) < length[:, None]
    labels = targets.new_full(shown.shape, IGNORED)
    labels[shown] = targets
    output = model(
        encoder_outputs=BaseModelOutput(last_hidden_state=states[row]),
        attention_mask=mask[row],
        decoder_input_ids=model.prepare_decoder_input_ids_from_labels(labels),
        use_cache=False,
    )
    return output.logits.float()[shown]
