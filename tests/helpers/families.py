"""Every decoder family of transformers as a tiny model, and what loading makes of it."""

from collections import Counter
from typing import NamedTuple

import torch
import transformers
from transformers import CONFIG_MAPPING, AutoModelForCausalLM
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES as NAMES

from heads.branching import pack
from heads.checking import DecoderError, check_decoder
from heads.likelihood import option_log_likelihoods
from heads.own_logits import trunk_name
from heads.small_copy import shrink

ROPE = {"rope_type": "default", "rope_theta": 10000.0}
MAMBA = {"mamba_n_heads": 8, "mamba_d_head": 8, "mamba_expand": 2, "mamba_chunk_size": 8}
LINEAR = {"linear_head_dim": 8, "linear_num_heads": 2}
# What a default configuration lacks, or has in sizes that do not go together when small.
SETTINGS = {
    "bailing_hybrid": LINEAR,
    "bamba": {**MAMBA, "attn_layer_indices": [1]},
    "cohere_compass_text": {"rope_parameters": {"full_attention": ROPE, "sliding_attention": ROPE}},
    "deepseek_v2": {"num_experts_per_tok": 2, "topk_method": "greedy"},
    "dots1": {"n_routed_experts": 4, "n_shared_experts": 1, "num_experts_per_tok": 2},
    "falcon_h1": {**MAMBA, "mamba_d_ssm": 64, "mamba_d_state": 16},
    "granitemoehybrid": {**MAMBA, "layer_types": ["mamba", "attention"]},
    "hunyuan_v1_dense": {"head_dim": 8},
    "hunyuan_v1_moe": {"head_dim": 8},
    "kimi_linear": LINEAR,
    "lfm2_moe": {"layer_types": ["conv", "full_attention"]},
    "mamba2": {"num_heads": 8, "head_dim": 8, "expand": 2, "n_groups": 1, "chunk_size": 8},
    "ministral": {"head_dim": 8},
    "nemotron": {"num_key_value_heads": 2},
    "plbart": {"decoder_attention_heads": 4, "encoder_attention_heads": 4},
    "whisper": {"decoder_attention_heads": 4, "encoder_attention_heads": 4},
    "xlnet": {"d_head": 8},
    "xmod": {"default_language": "en_XX"},
}
# Their causal classes read other things than text, or their default configurations give no model
# that runs on text, or none that is small.
NOT_BUILT = {
    "blt",
    "dbrx",
    "dots3_note",
    "dots3_note_text",
    "gemma3n",
    "gemma4_assistant",
    "gemma4_unified_assistant",
    "longcat_flash",
    "musicgen",
    "musicgen_melody",
    "qwen4_exp",
    "qwen4_exp_text",
    "reformer",
    "xlm",
    "xlstm",
    "zamba",
    "zamba2",
}
VARIANTS = {
    "falcon with ALiBi": ("falcon", {"alibi": True}),
    "gemma2 with caps": ("gemma2", {"final_logit_softcapping": 1.5}),
    "gemma3_text with caps": ("gemma3_text", {"final_logit_softcapping": 1.5}),
    "granite with a scale": ("granite", {"logits_scaling": 8.0}),
    "qwen2 with windows": (
        "qwen2",
        {"use_sliding_window": True, "layer_types": ["full_attention", "sliding_attention"]},
    ),
}
FAMILIES = {name: (name, SETTINGS.get(name, {})) for name in NAMES if name not in NOT_BUILT}
FAMILIES |= VARIANTS

# Longer than a window of 4 tokens, in a batch with padding, one option the beginning of another.
PREFIXES = [[11, 23, 35, 17, 29, 41, 13, 37, 19, 31], [53, 61, 59]]
OPTIONS = [[[43, 47], [43, 47, 25, 67, 71], [73]], [[79, 83, 22, 33, 44, 55], [66, 77]]]


class Outcome(NamedTuple):
    """What loading makes of a family.

    Args:
        way: `branched`, `rows` or `refused`.
        reason: why it is not branched.
        apart: how far an option's log-likelihood is from the model's own logits, as a part of it.
    """

    way: str
    reason: str = ""
    apart: float = 0.0


def build(name: str):
    """Return a tiny random model of a family, in float32, as AutoModelForCausalLM makes it."""
    model_type, settings = FAMILIES[name]
    small = shrink(CONFIG_MAPPING[model_type]().to_dict()) | settings
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(CONFIG_MAPPING[model_type].from_dict(small))
    for parameter in model.float().eval().requires_grad_(False).parameters():
        if parameter.dim() > 1:
            parameter.normal_(std=0.2)
    return model


@torch.no_grad()
def outcome(name: str) -> Outcome:
    """Check a family as loading does, and score with it in the way that was found right."""
    model = build(name)
    try:
        reason = check_decoder(model, model)
    except DecoderError as error:
        return Outcome("refused", str(error))
    scores = option_log_likelihoods(model, pack(PREFIXES, OPTIONS))
    own = [
        [own_log_likelihood(model, prefix, option) for option in options]
        for prefix, options in zip(PREFIXES, OPTIONS, strict=True)
    ]
    pairs = [
        (float(score), plain)
        for row, expected in zip(scores, own, strict=True)
        for score, plain in zip(row, expected, strict=False)
    ]
    branched = "masked" in getattr(model, trunk_name(model)).right_ways
    apart = max(abs(score - plain) / abs(plain) for score, plain in pairs)
    return Outcome("branched" if branched else "rows", reason, apart)


def own_log_likelihood(model, prefix: list[int], option: list[int]) -> float:
    """Return an option's log-likelihood by the model's own logits of one unpadded row."""
    logits = model(input_ids=torch.tensor([[*prefix, *option]]), use_cache=False).logits[0]
    each = logits.float().log_softmax(-1)[len(prefix) - 1 : -1]
    return float(each.gather(1, torch.tensor(option)[:, None]).sum())


def table(outcomes: dict[str, Outcome]) -> str:
    """Return the last section of `docs/families.md`, without its heading."""
    counts = Counter(one.way for one in outcomes.values())
    rows = "\n".join(
        f"| {name} | `{NAMES[FAMILIES[name][0]]}` | {way} | {reason} |"
        for name, (way, reason, _) in sorted(outcomes.items())
    )
    return (
        f"With transformers {transformers.__version__}: {counts['branched']} branched, "
        f"{counts['rows']} in rows, {counts['refused']} refused.\n\n"
        f"| family | class | way | why not branched |\n|---|---|---|---|\n{rows}\n\n"
        "Not in the table, as their default configurations give no small model that runs on text\n"
        f"alone here: {', '.join(sorted(NOT_BUILT))}.\nLoading checks them like any other.\n"
    )
