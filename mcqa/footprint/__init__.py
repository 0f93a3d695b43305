"""What a training step takes of memory: foretold without weights, and measured with them.

`ledger` books tensors, `step` is the step, `dry` runs it on tensors without storage, `measuring`
runs it in earnest, in a process of its own.
"""

import mcqa.system.quiet  # noqa: F401  before anything imports bitsandbytes
