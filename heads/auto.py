"""Tell transformers' AutoModelForMultipleChoice about decoders."""

import transformers
from transformers import AutoModelForMultipleChoice, PreTrainedModel

from .multiple_choice import multiple_choice_class

DECODERS = (
    "LlamaModel",
    "MistralModel",
    "Qwen2Model",
    "Qwen3Model",
    "Gemma2Model",
    "Gemma3TextModel",
    "Phi3Model",
    "Olmo2Model",
    "GPT2Model",
)


def register(trunk_class: type[PreTrainedModel]) -> type[PreTrainedModel]:
    """Let AutoModelForMultipleChoice load a decoder, and return its multiple-choice class.

    Args:
        trunk_class: what `AutoModel` gives for the decoder, `LlamaModel` for Llama.
    """
    made = multiple_choice_class(trunk_class)
    AutoModelForMultipleChoice.register(made.config_class, made, exist_ok=True)
    return made


def register_decoders() -> None:
    """Register every decoder of `DECODERS`."""
    for name in DECODERS:
        register(getattr(transformers, name))
