"""What a training step takes of memory: `estimating` without weights, `measuring` with them.

Both train what `plan` makes of a run's settings.
"""

import mcqa.system.quiet  # noqa: F401  before anything imports bitsandbytes
