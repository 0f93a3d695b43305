"""Recipes that train virtual tokens: prefix tuning, prompt tuning, P-tuning, all of PEFT.

PEFT's encoders make the virtual tokens and PEFT's format keeps them; `heads.virtual_tokens` puts
them in front of the rows, branched or not. The wrapper is PEFT's plain `PeftModel`, whose forward
is the base's own: its task classes would add the virtual tokens a second time.
"""

from collections import OrderedDict

import torch
from torch import nn

from heads.encoder import is_encoder
from mcqa.errors import ConfigError
from mcqa.models.adapters import head_names


def add_soft_prompt(model, *, kind: str, virtual_tokens: int, prompt_encoder_size: int = 0):
    """Put trainable virtual tokens in front of everything a frozen decoder reads.

    Args:
        kind: `prefix-tuning`, `prompt-tuning` or `p-tuning`.
        prompt_encoder_size: width of P-tuning's network.

    Returns:
        A `peft.PeftModel` whose base has a `soft_prompt`.
    """
    from peft import PeftModel, get_peft_config

    if model.config.is_encoder_decoder or is_encoder(model.config):
        raise ConfigError(
            f"recipe {kind!r} needs a decoder; for a model with an encoder use qlora."
        )
    settings = {"peft_type": kind.replace("-", "_").upper(), "num_virtual_tokens": virtual_tokens}
    if kind == "p-tuning":
        settings["encoder_hidden_size"] = prompt_encoder_size
    return connect(PeftModel(model, get_peft_config(settings))).train()


def check_goes_on(kind: str) -> None:
    """Refuse to train on where the run does not hold all that trained."""
    if kind == "p-tuning":
        raise ConfigError(
            "a p-tuning run holds its virtual tokens and not the network that wrote them, so "
            "training cannot go on from it. Train from its base model."
        )


def connect(prompted):
    """Let the base of a PeftModel know its virtual tokens, and its head, that PEFT froze, train."""
    base = prompted.get_base_model()
    base.soft_prompt = prompted.get_prompt
    for name in head_names(base):
        base.get_submodule(name).requires_grad_(True)
    return prompted


@torch.no_grad()
def finish_soft_prompt(prompted, task: str | None):
    """Keep what P-tuning's network writes instead of the network, as PEFT's format does.

    By the task type, `task`, PEFT knows that a model generates.
    """
    config, adapter = prompted.active_peft_config, prompted.active_adapter
    written = prompted.get_prompt_embedding_to_save(adapter)
    device = prompted.prompt_encoder[adapter].embedding.weight.device
    rows = nn.Embedding.from_pretrained(written.to(device))
    prompted.prompt_encoder[adapter] = nn.Sequential(OrderedDict(embedding=rows))
    config.inference_mode, config.task_type = True, task
    return prompted
