"""Multiple choice with decoders: tensors only, no `mcqa`.

Besides the heads that score options (`option_head`, `multiple_choice`, `encoder`, `likelihood`) and
their `losses` it holds what they stand on: the branched batch (`branching`, `shared_prefix`), ways
to run a trunk on it (`trunk`, `caching`, `virtual_tokens`, `short_attention`), and the check that
these give the decoder's own numbers (`checking`, `small_copy`).

After `import heads`, `transformers.AutoModelForMultipleChoice` loads the decoders of `DECODERS`.
"""

import transformers

from .multiple_choice import multiple_choice_class

__all__ = ["register"]

DECODERS = (
    *("LlamaModel", "MistralModel", "Qwen2Model", "Qwen3Model", "Gemma2Model"),
    *("Gemma3TextModel", "Phi3Model", "Olmo2Model", "GPT2Model"),
)


def register(
    trunk_class: type[transformers.PreTrainedModel],
) -> type[transformers.PreTrainedModel]:
    """Let AutoModelForMultipleChoice load a decoder, and return its multiple-choice class.

    Args:
        trunk_class: what `AutoModel` gives for the decoder, `LlamaModel` for Llama.
    """
    made = multiple_choice_class(trunk_class)
    transformers.AutoModelForMultipleChoice.register(made.config_class, made, exist_ok=True)
    return made


for name in DECODERS:
    register(getattr(transformers, name))
