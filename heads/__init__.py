"""Multiple choice with decoders: tensors only, no `mcqa`.

After `import heads`, `transformers.AutoModelForMultipleChoice` loads Llama, Mistral, Qwen2, Qwen3,
Gemma 2, Gemma 3 (text), Phi-3, OLMo 2 and GPT-2. `heads.register(trunk_class)` adds another.
"""

from .auto import register, register_decoders

__all__ = ["register"]

register_decoders()
