"""Where a run computes and in what type: accelerate's part, and autocast.

The traps: accelerate takes the first GPU, so models and batches are put on a run's own device here.
And what it was told first, its precision too, holds for a whole process; so where the model is
whole, mixed precision is torch's autocast. Weights in shards are accelerate's to compute with.
"""

import contextlib
from contextlib import AbstractContextManager

import torch
from accelerate import Accelerator
from accelerate.utils import DistributedDataParallelKwargs, DistributedType
from torch import Tensor

from mcqa.system import processes

NAMES = {torch.float32: "no", torch.float16: "fp16", torch.bfloat16: "bf16"}


class Machine:
    """Hold where a run computes and how; one process, DDP, FSDP and DeepSpeed look alike to it.

    Args:
        device, dtype: where this process trains, and what the model computes in.
        batch_size, accumulation: questions of a forward pass, and such passes of a step.
        trackers: of experiments, which `accelerator.init_trackers` starts.
    """

    def __init__(
        self, device: str, dtype: torch.dtype, *, batch_size=1, accumulation=1, trackers=()
    ):
        self.device, self.dtype = device, dtype
        place = torch.device(device)
        if place.type == "cuda" and place.index is not None:
            torch.cuda.set_device(device)
        scales = dtype is torch.float16 and place.type != "cpu"  # its gradients, for their range
        self._mixes = dtype is torch.bfloat16 or scales
        precision = "no" if processes.count() > 1 else None
        if processes.sharding() or scales:
            precision = NAMES[dtype]
        # No buffer changes but ReLoRA's, which every process grows alike.
        wrap = DistributedDataParallelKwargs(find_unused_parameters=False, broadcast_buffers=False)
        self.accelerator = Accelerator(
            cpu=processes.count() > 1 and place.type == "cpu",
            device_placement=False,
            mixed_precision=precision,
            kwargs_handlers=[wrap],
            log_with=list(trackers) or None,
        )
        self.accelerator.gradient_accumulation_steps = 1  # a step's loss is a mean already
        self._deepspeed = self.accelerator.distributed_type is DistributedType.DEEPSPEED
        if self._deepspeed:
            settings = self.accelerator.state.deepspeed_plugin.deepspeed_config
            settings["train_micro_batch_size_per_gpu"] = batch_size
            settings["gradient_accumulation_steps"] = accumulation

    def mixed(self) -> AbstractContextManager:
        """Return the context of a forward pass, in which much is computed in the dtype."""
        if processes.sharding() or not self._mixes:
            return contextlib.nullcontext()
        return torch.autocast(torch.device(self.device).type, self.dtype)

    def take(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return a batch on the device."""
        return {name: tensor.to(self.device) for name, tensor in batch.items()}

    def backward(self, loss: Tensor) -> None:
        """Add a loss's gradients to those that are there."""
        # DeepSpeed would divide it by the passes of a step, by whose labels it is divided already.
        self.accelerator.backward(loss, **{"scale_wrt_gas": False} if self._deepspeed else {})
