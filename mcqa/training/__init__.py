"""Training runs, for both formulations."""

import mcqa.system.quiet  # noqa: F401  before bitsandbytes is imported
