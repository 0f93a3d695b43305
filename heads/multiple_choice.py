"""A multiple-choice class for decoders: one scalar per option, softmax over the options.

transformers has `AutoModelForMultipleChoice` for encoders only. Here it is for a Llama: the trunk
runs the branched batch once, an option's vector is pooled from its own tokens, and a linear head
turns it into a logit. The head is float32 whatever the trunk is (4-bit, bfloat16), and is never
quantized: its name is in `_keep_in_fp32_modules`, which the quantizers leave alone.
"""

import torch
from torch import Tensor, nn
from transformers import LlamaModel, LlamaPreTrainedModel
from transformers.modeling_outputs import MultipleChoiceModelOutput

from heads import initialization, losses, pooling
from heads.likelihood import hidden_states

HEAD_NAME = "option_head"


class LlamaForMultipleChoice(LlamaPreTrainedModel):
    """Score the options of a branched batch with a Llama trunk and a linear head."""

    base_model_prefix = "model"
    _keep_in_fp32_modules = [HEAD_NAME]
    _keep_in_fp32_modules_strict = [HEAD_NAME]
    _keys_to_ignore_on_load_unexpected = [r"^lm_head\."]
    _keys_to_ignore_on_load_missing = [rf"^{HEAD_NAME}\."]

    def __init__(self, config):
        super().__init__(config)
        self.model = LlamaModel(config)
        self.option_head = nn.Linear(config.hidden_size, 1, bias=False, dtype=torch.float32)
        self.post_init()

    def _init_weights(self, module: nn.Module) -> None:
        if module is getattr(self, HEAD_NAME, None):
            initialization.zeros(module)
        else:
            super()._init_weights(module)

    def forward(
        self,
        input_ids: Tensor,
        position_ids: Tensor,
        branch_ids: Tensor,
        option_spans: Tensor,
        fork: Tensor,
        labels: Tensor | None = None,
        num_items_in_batch=None,
        **kwargs,
    ) -> MultipleChoiceModelOutput:
        """Score a batch.

        Args:
            input_ids, position_ids, branch_ids, option_spans, fork: see `BranchedBatch`.
            labels: (B,) index of the right option; then the loss is returned too.
            num_items_in_batch: questions of the whole optimizer step, from the Trainer.

        Returns:
            `logits` (B, O) float32, -inf where a question has fewer than O options.
        """
        hidden_ND = hidden_states(self, input_ids, position_ids, branch_ids)
        pooled_BOD = pooling.last_token(hidden_ND, option_spans)
        option_mask = fork >= 0
        with torch.autocast(pooled_BOD.device.type, enabled=False):
            scores_BO = self.option_head(pooled_BOD.float()).squeeze(-1)
        scores_BO = scores_BO.masked_fill(~option_mask, float("-inf"))
        loss = None
        if labels is not None:
            loss = losses.cross_entropy(scores_BO, option_mask, labels, num_items_in_batch)
        return MultipleChoiceModelOutput(loss=loss, logits=scores_BO)
