"""What the Trainer is told about devices, on a machine that is made to look as if it had GPUs."""

import pytest
import torch
from transformers import TrainingArguments
from transformers.training_args import ParallelMode

from mcqa.training.arguments import trainer_arguments
from mcqa.training.config import TrainingConfig


@pytest.fixture
def gpus(tmp_path):
    """Pretend that there are two GPUs; return the list of those made the current one."""
    made_current = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.cuda, "is_available", lambda: True)
        patch.setattr(torch.cuda, "device_count", lambda: 2)
        patch.setattr(torch.cuda, "set_device", lambda d: made_current.append(torch.device(d)))
        yield made_current
    TrainingArguments(output_dir=str(tmp_path), use_cpu=True)  # accelerate forgets them


def arguments(device, folder):
    config = TrainingConfig(
        model="m", data="d", output=str(folder), dtype="float32", quantization="none"
    )
    return trainer_arguments(config, folder, device, "adamw_torch", evaluates=False)


@pytest.mark.parametrize(("named", "number"), [("cuda", 0), ("cuda:0", 0), ("cuda:1", 1)])
def test_one_process_trains_on_the_gpu_that_is_named_and_no_other(gpus, tmp_path, named, number):
    told = arguments(named, tmp_path)
    assert told.device == gpus[-1] == torch.device("cuda", number)
    assert told.n_gpu == 1
    assert told.parallel_mode is ParallelMode.NOT_PARALLEL
    assert told.train_batch_size == told.per_device_train_batch_size


def test_training_on_a_cpu_leaves_the_gpus_alone(gpus, tmp_path):
    told = arguments("cpu", tmp_path)
    assert (told.device, told.n_gpu, gpus) == (torch.device("cpu"), 0, [])
