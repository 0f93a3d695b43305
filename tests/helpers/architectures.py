"""Tiny decoders of every listed architecture, with windows shorter than the questions."""

import torch
from transformers import (
    AutoModelForMultipleChoice,
    Gemma2Config,
    Gemma3TextConfig,
    GPT2Config,
    LlamaConfig,
    MistralConfig,
    Olmo2Config,
    Phi3Config,
    Qwen2Config,
    Qwen3Config,
)

import heads  # noqa: F401  registers the decoders

WINDOW = 8
SIZES = {
    "vocab_size": 384,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 256,
    "initializer_range": 0.2,
    "pad_token_id": 0,
}
HALF = ["sliding_attention", "full_attention", "sliding_attention"]
CONFIGS = {
    "llama": lambda: LlamaConfig(**SIZES),
    "mistral": lambda: MistralConfig(**SIZES, sliding_window=None),
    "mistral-window": lambda: MistralConfig(**SIZES, sliding_window=WINDOW),
    "qwen2": lambda: Qwen2Config(**SIZES),
    "qwen2-window": lambda: Qwen2Config(
        **SIZES, use_sliding_window=True, sliding_window=WINDOW, max_window_layers=1
    ),
    "qwen3": lambda: Qwen3Config(**SIZES, head_dim=8),
    "qwen3-window": lambda: Qwen3Config(
        **SIZES, head_dim=8, use_sliding_window=True, sliding_window=WINDOW, max_window_layers=2
    ),
    "gemma2-window": lambda: Gemma2Config(
        **SIZES, head_dim=8, sliding_window=WINDOW, layer_types=HALF
    ),
    "gemma3-window": lambda: Gemma3TextConfig(
        **SIZES, head_dim=8, sliding_window=WINDOW, layer_types=HALF
    ),
    "phi3": lambda: Phi3Config(**SIZES, sliding_window=None),
    "phi3-window": lambda: Phi3Config(**SIZES, sliding_window=WINDOW),
    "olmo2": lambda: Olmo2Config(**SIZES),
    "gpt2": lambda: GPT2Config(
        vocab_size=384, n_embd=32, n_layer=3, n_head=4, n_positions=256, initializer_range=0.2
    ),
}


def build(name, **settings):
    """Return a random float32 model whose head is not 0."""
    torch.manual_seed(0)
    config = CONFIGS[name]()
    model = AutoModelForMultipleChoice.from_config(config, multiple_choice=settings).eval()
    with torch.no_grad():
        for parameter in model.option_head.parameters():
            parameter.normal_(std=0.2)
    return model
