"""A small copy of an architecture: random weights, a few layers, windows of a few tokens.

Whether branches stay apart is a matter of the architecture and its settings, not of its weights: a
small copy shows it in milliseconds, in float32, where rounding hides nothing, and with windows that
a short text exceeds. All settings that are no size stay: scales, caps, kinds of layers, biases.
"""

import torch
from torch import nn

WINDOW = 4
LARGEST = 10_000_000  # parameters: a copy that does not become small would take long
NAMES = {
    0: "num_kv_shared_layers",
    1: "n_group topk_group num_expert_group",
    2: "num_experts_per_tok num_experts_per_token moe_k",
    4: "num_attention_heads n_head n_heads num_heads "
    "num_experts num_local_experts n_routed_experts",
    8: "head_dim kv_channels v_head_dim rotary_dim qk_rope_head_dim qk_nope_head_dim "
    "hidden_size_per_layer_input",
    16: "moe_intermediate_size shared_expert_intermediate_size "
    "q_lora_rank kv_lora_rank qk_head_dim",
    32: "hidden_size n_embd d_model dim word_embed_proj_dim",
    48: "intermediate_size ffn_dim n_inner ffn_hidden_size",
    96: "vocab_size vocab_size_per_layer_input",
    128: "max_position_embeddings n_positions max_seq_len n_ctx",
}
SIZES = {name: size for size, names in NAMES.items() for name in names.split()}
HEADS = ("num_attention_heads", "n_head", "n_heads")
SHARED_HEADS = ("num_key_value_heads", "num_kv_heads", "n_head_kv")
DEPTHS = ("num_hidden_layers", "n_layer", "n_layers", "num_layers")
LEFT_OUT = ("quantization_config", "multiple_choice")


def small_copy(model: nn.Module) -> nn.Module:
    """Return a small random model of the same class; raise anything if its config forbids it."""
    config = type(model.config).from_dict(shrink(model.config.to_dict()))
    with torch.device("meta"):
        size = sum(parameter.numel() for parameter in type(model)(config).parameters())
    if size > LARGEST:
        raise ValueError(f"it would have {size:,} parameters")
    with torch.random.fork_rng(devices=[]), torch.device("cpu"):
        torch.manual_seed(0)
        made = type(model)(config).float().eval()
        for parameter in made.parameters():
            if parameter.dim() > 1:
                nn.init.normal_(parameter, std=0.2)
    return made.requires_grad_(False)


def shrink(settings: dict) -> dict:
    """Return the settings of a configuration with small sizes, those of its parts too."""
    depth = next((settings[name] for name in DEPTHS if settings.get(name)), 0)
    heads = next((settings[name] for name in HEADS if settings.get(name)), 0)
    kept = _layers(settings, depth)
    small = {}
    for name, value in settings.items():
        if name in LEFT_OUT or value is None:
            continue
        if name == "per_layer_config":
            of_layer = {int(layer): shrink(one) for layer, one in value.items()}
            value = {str(n): of_layer[k] for n, k in enumerate(kept) if k in of_layer}
        elif isinstance(value, dict):
            value = shrink(value) if "model_type" in value else value
        elif isinstance(value, list | tuple) and len(value) == depth:
            value = [_smaller(name, value[layer]) for layer in kept]
        elif name.endswith("token_id"):
            value = [min(one, 1) for one in value] if isinstance(value, list) else min(value, 1)
        elif isinstance(value, int) and value > 0 and not isinstance(value, bool):
            if name in DEPTHS:
                value = len(kept)
            elif name in SHARED_HEADS:
                value = 4 if value == heads else min(value, 2)
            elif "window" in name:
                value = min(value, WINDOW)
            else:
                value = _smaller(name, value)
        small[name] = value
    return small


def _smaller(name: str, value):
    return min(value, SIZES[name]) if name in SIZES and isinstance(value, int) else value


def _layers(settings: dict, depth: int) -> list[int]:
    """Return which layers to keep: the first of every kind, and two at least."""
    lists = [v for v in settings.values() if isinstance(v, list | tuple) and len(v) == depth]
    kinds = {}
    for layer in range(depth):
        kinds.setdefault(str([values[layer] for values in lists]), layer)
    chosen = list(kinds.values())
    return sorted(chosen + [n for n in range(depth) if n not in chosen][: max(0, 2 - len(chosen))])
