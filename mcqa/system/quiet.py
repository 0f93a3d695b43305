"""Keep libraries from frightening users: notices that mean nothing to them, and progress bars."""

import contextlib
import logging
import warnings

LOGGED = {
    # An optional kernel that it looks for on import.
    "bitsandbytes.backends.cpu.ops": "kernels-community",
    # Said of every layer in every forward pass.
    "bitsandbytes.autograd._functions": "inputs will be cast",
}
WARNED = (
    "`is_gradient_checkpointing` is deprecated",  # peft asks for it under its old name
    "`broadcast_buffers` is deprecated",  # transformers hands it on to torch under its old name
    # They are right behind virtual tokens, and passed to generation all the same.
    "Position ids are not supported for parameter efficient",
)

for name, message in LOGGED.items():
    logging.getLogger(name).addFilter(lambda record, of=message: of not in record.getMessage())
for message in WARNED:
    warnings.filterwarnings("ignore", message=message)


@contextlib.contextmanager
def quiet_loading():
    """Silence progress bars and notices of loading and saving."""
    from transformers.utils import logging as transformers_logging

    hub_logger = logging.getLogger("huggingface_hub")
    with contextlib.ExitStack() as restored:
        restored.callback(hub_logger.setLevel, hub_logger.level)
        restored.callback(transformers_logging.set_verbosity, transformers_logging.get_verbosity())
        if transformers_logging.is_progress_bar_enabled():
            restored.callback(transformers_logging.enable_progress_bar)
        hub_logger.setLevel(logging.ERROR)
        transformers_logging.set_verbosity_error()
        transformers_logging.disable_progress_bar()
        yield
