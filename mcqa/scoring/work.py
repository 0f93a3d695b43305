"""What decides a scorer's answers, in the names by which a change of it is reported."""

from collections.abc import Sequence

from mcqa.data.digests import digest, digest_questions
from mcqa.prompting.encoding import EncodedQuestion
from mcqa.runs.trained import tensors_checksum


def describe_scoring(scorer, encoded: Sequence[EncodedQuestion] | None) -> dict:
    """Return settings, weights and types, and of questions, where there are some, the tokens."""
    encoder, shots, model = scorer.encoder, scorer.encoder.shots, scorer.model
    prompts = {}
    if encoded is not None:
        prompts["prompts as tokens"] = digest((e.prefix, e.continuations) for e in encoded)
    return {
        "scorer": scorer.name,
        **scorer.settings,
        "template": scorer.template,
        "shots": shots and f"{shots}, of {digest_questions(shots.pool)}",
        "context": str(encoder.contexts),
        "chat": encoder.chat,
        "system": encoder.system,
        "max_length": encoder.max_length,
        **prompts,
        "weights": tensors_checksum(model.state_dict())[:16],
        "quantization": _quantization(model),
        "dtype": str(model.dtype).removeprefix("torch."),
        "device": model.device.type,
    }


def _quantization(model) -> str:
    config, gguf = (getattr(model.config, n, None) for n in ("quantization_config", "gguf"))
    told = str(config.quant_method) if config else "none"
    if hasattr(config, "quantization_method"):  # of bitsandbytes
        told = config.quantization_method()
    return f"{told}, of a GGUF file in {gguf['weights']}" if gguf else told
