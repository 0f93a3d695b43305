"""What a training step takes of memory: estimated without weights, measured with them."""

import mcqa.system.quiet  # noqa: F401  before anything imports bitsandbytes
