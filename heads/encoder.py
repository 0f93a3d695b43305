"""transformers' own multiple-choice classes for encoders, run on branched batches.

An encoder looks both ways, so every option that exists becomes a row of its own behind a copy of
the prefix. Layers, and what is saved, are those of `BertForMultipleChoice` and its like. The traps:
the pooler belongs to the head, but stands inside the trunk; and both are linear layers, which would
be quantized or lose precision. They are kept in float32.
"""

import functools

import torch
import transformers
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence
from transformers import PreTrainedModel
from transformers.modeling_outputs import MultipleChoiceModelOutput
from transformers.models.auto.modeling_auto import MODEL_FOR_MULTIPLE_CHOICE_MAPPING_NAMES

from .branching import PREFIX
from .losses import head_loss
from .settings import HeadSettings

# Model types whose head reads the first token, and whose rows may be padded on the right.
ENCODERS = (
    *("albert", "bert", "camembert", "deberta-v2", "distilbert"),
    *("electra", "modernbert", "mpnet", "roberta", "xlm-roberta"),
)
POOLER = "pooler"


class EncoderForMultipleChoice:
    """Score options with an encoder; mixed into transformers' own multiple-choice class.

    Of the `multiple_choice` settings only `loss` and `label_smoothing` count.
    """

    accepts_loss_kwargs = True  # the Trainer hands `num_items_in_batch` on

    def __init__(self, config, multiple_choice: dict | None = None):
        super().__init__(config)
        self.settings = HeadSettings.from_dict(multiple_choice)
        names = head_modules(self)
        self._keep_in_fp32_modules = set(names)  # what quantizers leave alone
        self._keep_in_fp32_modules_strict = set(names)  # what is loaded as float32
        for name in names:
            self.get_submodule(name).register_forward_pre_hook(_cast_input)

    def forward(
        self,
        input_ids: Tensor,
        branch_ids: Tensor,
        option_spans: Tensor,
        fork: Tensor,
        position_ids: Tensor | None = None,
        labels: Tensor | None = None,
        num_items_in_batch=None,
        targets: Tensor | None = None,
        losses: Tensor | None = None,
        weights: Tensor | None = None,
    ) -> MultipleChoiceModelOutput:
        """Score a `BranchedBatch`, one row per option; see `DecoderForMultipleChoice.forward`."""
        exists_BO = fork >= 0
        index_RT = _option_rows(option_spans, fork, input_ids.shape[1])
        real_RT, token_RT = index_RT >= 0, index_RT.clamp(min=0)
        rows = input_ids.flatten()[token_RT].masked_fill(~real_RT, self.config.pad_token_id or 0)
        # transformers' class wants (questions, options, tokens): all rows as one question's.
        inputs = {"input_ids": rows[None], "attention_mask": real_RT.long()[None]}
        if getattr(self.config, "type_vocab_size", 0) > 1:
            of_option = (branch_ids.flatten()[token_RT] > PREFIX) & real_RT
            inputs["token_type_ids"] = of_option.long()[None]
        logits_R = super().forward(**inputs).logits.float().squeeze(0)
        absent_BO = logits_R.new_full(fork.shape, float("-inf"))
        scores_BO = absent_BO.masked_scatter(exists_BO, logits_R)
        loss = None
        if labels is not None:
            gold = {"targets": targets, "losses": losses, "weights": weights}
            given = labels, num_items_in_batch
            loss = head_loss(self.settings, scores_BO, exists_BO, *given, **gold)
        return MultipleChoiceModelOutput(loss=loss, logits=scores_BO)


def _option_rows(option_spans: Tensor, fork: Tensor, n_tokens: int) -> Tensor:
    """Return (R, T) rows of a prefix and an option that exists each, as indices into the batch's
    flattened tokens, whose rows have `n_tokens`; -1 for padding, on the right."""
    rows = []
    ends = fork[fork >= 0].tolist()
    for (start, end), last in zip(option_spans[fork >= 0].tolist(), ends, strict=True):
        first = last - last % n_tokens  # every row of a batch begins with its prefix
        rows.append(torch.cat((torch.arange(first, last + 1), torch.arange(start, end))))
    return pad_sequence(rows, batch_first=True, padding_value=-1).to(fork.device)


def _cast_input(module: nn.Module, inputs: tuple) -> tuple:
    """Bring hidden states to the type of the module that reads them."""
    dtype = next(module.parameters()).dtype
    return tuple(tensor.to(dtype) for tensor in inputs)


def head_modules(model: PreTrainedModel) -> list[str]:
    """Return the names of what stands on an encoder: its pooler and all outside its trunk."""
    trunk = model.base_model_prefix
    pooler = getattr(model.base_model, POOLER, None)
    names = [f"{trunk}.{POOLER}"] if pooler is not None else []
    names += [name for name, _ in model.named_children() if name != trunk]
    return [name for name in names if any(True for _ in model.get_submodule(name).parameters())]


def is_encoder(config) -> bool:
    """Say whether a configuration is of an encoder listed in `ENCODERS`."""
    return config.model_type in ENCODERS


@functools.cache
def encoder_class(model_type: str) -> type[PreTrainedModel]:
    """Return transformers' multiple-choice class of a model type, made to take branched batches."""
    own = getattr(transformers, MODEL_FOR_MULTIPLE_CHOICE_MAPPING_NAMES[model_type])
    # Under its own name a saved model is found again.
    return type(own.__name__, (EncoderForMultipleChoice, own), {"__module__": __name__})
