"""Multiple choice with decoders: tensors only, no `mcqa`.

After `import heads`, `transformers.AutoModelForMultipleChoice` loads the decoders of `DECODERS`.
"""

import transformers
from transformers import PreTrainedModel

from .multiple_choice import multiple_choice_class

__all__ = ["register"]

DECODERS = (
    *("LlamaModel", "MistralModel", "Qwen2Model", "Qwen3Model", "Gemma2Model"),
    *("Gemma3TextModel", "Phi3Model", "Olmo2Model", "GPT2Model"),
)


def register(trunk_class: type[PreTrainedModel]) -> type[PreTrainedModel]:
    """Let AutoModelForMultipleChoice load a decoder, given its trunk's class; return what loads."""
    made = multiple_choice_class(trunk_class)
    transformers.AutoModelForMultipleChoice.register(made.config_class, made, exist_ok=True)
    return made


for name in DECODERS:
    register(getattr(transformers, name))
