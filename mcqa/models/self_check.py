"""A decoder that was loaded is checked against itself before anybody believes its numbers."""

from heads.checking import DecoderError, check_decoder
from heads.encoder import is_encoder
from heads.trunk import warn_once
from mcqa.errors import ModelError
from mcqa.models.sharing import twin
from mcqa.system.quiet import quiet_loading


def check_itself(path: str, model, *, runs: bool):
    """Return a model, kept to the ways of running that give its own numbers; else ModelError.

    It is frozen, in evaluation mode, and `runs` where its weights are here, whole. Encoders and
    encoder-decoders have a single way. Of an 8-bit model the architecture is checked: its layers
    round by what else is in the batch, so its numbers are not twice the same.
    """
    if is_encoder(model.config) or model.config.is_encoder_decoder:
        return model
    runs = runs and not getattr(model, "is_loaded_in_8bit", False)
    kind = f"model {path!r} is a {type(model).__name__} ({model.config.model_type})"
    try:
        with quiet_loading():
            reason = check_decoder(model, twin(model) if runs else None)
    except DecoderError as error:
        raise ModelError(
            f"{kind}: {error}, so that its scores would be wrong. Name a model of another "
            "architecture."
        ) from error
    if reason:
        warn_once(f"{kind}: {reason}. Running one row per option, which takes longer.")
    return model
