"""Training runs, for both formulations."""

import mcqa.quiet  # noqa: F401  before transformers.Trainer imports bitsandbytes
