"""AutoModelForMultipleChoice for decoders: one scalar per option, softmax over the options.

transformers has multiple-choice classes for encoders only. `multiple_choice_class` puts one on any
decoder's trunk, and this module makes them by name, so that `LlamaForMultipleChoice` can be
imported, pickled, and found by remote code.
"""

import functools

import torch
import transformers
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.modeling_outputs import MultipleChoiceModelOutput
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING
from transformers.utils import can_return_tuple

from .branching import BranchedBatch
from .likelihood import gold_option_loss
from .losses import head_loss
from .option_head import OptionHead, OptionInteraction
from .settings import HeadSettings
from .shared_prefix import branch_rows
from .trunk import hidden_states

HEAD_NAME = "option_head"
SUFFIX = "ForMultipleChoice"


class DecoderForMultipleChoice:
    """Score options with a decoder's trunk and a head; mixed into an architecture's base class.

    The config's `multiple_choice` holds the `HeadSettings`; an argument of that name sets them.
    """

    trunk_class: type[PreTrainedModel]
    _keep_in_fp32_modules_strict = [HEAD_NAME]
    _keys_to_ignore_on_load_missing = [rf"^{HEAD_NAME}\."]

    def __init__(self, config, multiple_choice: dict | None = None):
        super().__init__(config)
        if type(self).__name__ in (config.architectures or ()):
            self._keys_to_ignore_on_load_missing = None  # its files are said to hold the head
        given = multiple_choice or getattr(config, "multiple_choice", None)
        self.settings = HeadSettings.from_dict(given)
        config.multiple_choice = self.settings.as_dict()
        setattr(self, self.base_model_prefix, self.trunk_class(config))
        from_words = self.settings.init == "words" and not config.tie_word_embeddings
        if from_words or self.settings.lm_loss_weight > 0:
            self.lm_head = nn.Linear(config.hidden_size, config.vocab_size, bias=False)
            causal_class = MODEL_FOR_CAUSAL_LM_MAPPING[type(config)]
            self._tied_weights_keys = causal_class._tied_weights_keys
            with torch.device("meta"):
                self.without_weights = (causal_class(config),)  # in a tuple: no module of this one
        self.option_head = OptionHead(config.hidden_size, self.settings)
        self.post_init()

    def get_output_embeddings(self) -> nn.Module | None:
        """Return the LM head where the model keeps one."""
        return getattr(self, "lm_head", None)

    def causal_lm(self) -> nn.Module:
        """Return a causal LM that has the kept LM head, and else no weights."""
        (language_model,) = self.without_weights
        language_model.set_output_embeddings(self.lm_head)
        return language_model

    def _init_weights(self, module: nn.Module) -> None:
        if isinstance(module, OptionInteraction):
            module.start()
        elif isinstance(module, OptionHead):
            rows = None
            if self.settings.init == "words":
                tied = self.config.tie_word_embeddings
                rows = (self.get_input_embeddings() if tied else self.lm_head).weight
                rows = rows[torch.tensor(self.settings.words, device=rows.device)].detach()
            module.start(self.settings.init, rows)
        else:
            super()._init_weights(module)

    @can_return_tuple
    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        labels: Tensor | None = None,
        option_mask: Tensor | None = None,
        share_prefix: bool = True,
        position_ids: Tensor | None = None,
        branch_ids: Tensor | None = None,
        option_spans: Tensor | None = None,
        fork: Tensor | None = None,
        num_items_in_batch=None,
        targets: Tensor | None = None,
        losses: Tensor | None = None,
        weights: Tensor | None = None,
        **kwargs,
    ) -> MultipleChoiceModelOutput:
        """Return (B, O) float32 `logits`, -inf where no option is, and with labels a `loss`.

        Args:
            input_ids: (B, O, T) tokens of every option behind its own copy of the question; or
                (R, T) those of a `BranchedBatch`.
            attention_mask, option_mask, share_prefix: of rows, see `branch_rows`.
            labels: (B,) index of the right option.
            position_ids, branch_ids, option_spans, fork: of a `BranchedBatch`.
            num_items_in_batch: questions of the whole optimizer step, from the Trainer.
            targets, losses, weights: (B, O), (B,), (B,) where not all questions have the head's own
                loss, see `heads.losses.mixed_loss`.

        Raises:
            ValueError: shapes do not fit, or a label points at an option that does not exist.
        """
        if branch_ids is not None:
            batch = BranchedBatch(input_ids, position_ids, branch_ids, option_spans, fork)
        elif input_ids.dim() == 3:
            batch = branch_rows(input_ids, attention_mask, option_mask, share_prefix)
        else:
            raise ValueError(
                f"input_ids has shape {tuple(input_ids.shape)}: must be (questions, options, "
                "tokens), or come with the other tensors of a BranchedBatch."
            )
        hidden_ND = hidden_states(self, batch.input_ids, batch.position_ids, batch.branch_ids)
        scores_BO = self.option_head(hidden_ND, batch)
        loss = None
        if labels is not None:
            gold = labels, num_items_in_batch
            soft = {"targets": targets, "weights": weights}
            loss = head_loss(
                self.settings, scores_BO, batch.option_mask, *gold, losses=losses, **soft
            )
            if (weight := self.settings.lm_loss_weight) > 0:
                loss = loss + weight * gold_option_loss(self, hidden_ND, batch, *gold, **soft)
        return MultipleChoiceModelOutput(loss=loss, logits=scores_BO)


@functools.cache
def multiple_choice_class(trunk_class: type[PreTrainedModel]) -> type[PreTrainedModel]:
    """Return the multiple-choice class of a decoder, made from its trunk's: `LlamaModel`, say."""
    base = next(b for b in trunk_class.__mro__[1:] if issubclass(b, PreTrainedModel))
    ignored = [*(base._keys_to_ignore_on_load_unexpected or ()), r"^lm_head\."]
    members = {
        "__module__": __name__,
        "__doc__": DecoderForMultipleChoice.__doc__,
        "config_class": trunk_class.config_class,
        "trunk_class": trunk_class,
        "_no_split_modules": [*(base._no_split_modules or ()), "OptionHead"],
        "_keys_to_ignore_on_load_unexpected": ignored,
    }
    name = trunk_class.__name__.removesuffix("Model") + SUFFIX
    globals()[name] = type(name, (DecoderForMultipleChoice, base), members)
    return globals()[name]


def __getattr__(name: str):
    """Make `<Architecture>ForMultipleChoice` the first time it is asked for."""
    trunk = f"{name.removesuffix(SUFFIX)}Model"
    if not name.endswith(SUFFIX) or not hasattr(transformers, trunk):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return multiple_choice_class(getattr(transformers, trunk))
