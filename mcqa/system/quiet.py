"""Keep libraries from frightening users: notices that mean nothing to them, and progress bars."""

import contextlib
import logging
import warnings

# An optional kernel of bitsandbytes that it looks for on import.
logging.getLogger("bitsandbytes.backends.cpu.ops").addFilter(
    lambda record: "kernels-community" not in record.getMessage()
)
# It says so of every layer in every forward pass.
logging.getLogger("bitsandbytes.autograd._functions").addFilter(
    lambda record: "inputs will be cast" not in record.getMessage()
)
# peft asks for it under its old name.
warnings.filterwarnings("ignore", message="`is_gradient_checkpointing` is deprecated")
# transformers hands it on to torch under its old name.
warnings.filterwarnings("ignore", message="`broadcast_buffers` is deprecated")
# Its positions behind virtual tokens are right; generation passes them all the same.
warnings.filterwarnings("ignore", message="Position ids are not supported for parameter efficient")


@contextlib.contextmanager
def quiet_loading():
    """Silence progress bars and notices of loading and saving."""
    from transformers.utils import logging as transformers_logging

    hub_logger = logging.getLogger("huggingface_hub")
    verbosity, hub_level = transformers_logging.get_verbosity(), hub_logger.level
    had_bar = transformers_logging.is_progress_bar_enabled()
    transformers_logging.set_verbosity_error()
    hub_logger.setLevel(logging.ERROR)
    transformers_logging.disable_progress_bar()
    try:
        yield
    finally:
        transformers_logging.set_verbosity(verbosity)
        hub_logger.setLevel(hub_level)
        if had_bar:
            transformers_logging.enable_progress_bar()
