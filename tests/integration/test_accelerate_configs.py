"""The files for `accelerate launch`: read by accelerate's own reader, and DDP's really run."""

import pytest
from accelerate.commands import launch
from accelerate.commands.config.config_args import load_config_from_file
from accelerate.utils import FullyShardedDataParallelPlugin
from accelerate.utils.launch import prepare_multi_gpu_env

from mcqa.system import processes

KINDS = {"ddp": "MULTI_GPU", "fsdp_qlora": "FSDP", "deepspeed_zero3_offload": "DEEPSPEED"}


@pytest.fixture(scope="module")
def path(root):
    return lambda name: str(root / "configs" / "accelerate" / f"{name}.yaml")


def _launched(path):
    """Return the launcher's arguments once it has read a configuration."""
    arguments = launch.launch_command_parser().parse_args(["--config_file", path, "script.py"])
    return launch._validate_launch_command(arguments)[0]


def test_every_file_is_tested_here(root):
    assert {file.stem for file in (root / "configs" / "accelerate").iterdir()} == set(KINDS)


@pytest.mark.parametrize("name", KINDS)
def test_accelerate_reads_it_and_the_launcher_knows_each_setting(path, name):
    config = load_config_from_file(path(name))
    assert config.distributed_type.value == KINDS[name]
    assert (config.num_processes, config.use_cpu) == (2, False)
    known = {action.dest for action in launch.launch_command_parser()._actions}
    assert known >= set(config.fsdp_config) | set(config.deepspeed_config)


@pytest.mark.parametrize("name", KINDS)
def test_it_says_when_to_use_it(path, name):
    with open(path(name), encoding="utf-8") as file:
        assert file.readline().startswith("# When: ")


def test_fsdp_gets_whole_adapters_of_4_bit_layers(path, monkeypatch):
    environment = prepare_multi_gpu_env(_launched(path("fsdp_qlora")))
    for variable, value in environment.items():
        monkeypatch.setenv(variable, value)
    assert processes.sharding() == "FSDP"
    plugin = FullyShardedDataParallelPlugin()
    assert plugin.fsdp_version == 2
    assert plugin.state_dict_type.name == "FULL_STATE_DICT"
    assert plugin.reshard_after_forward is True
    assert plugin.auto_wrap_policy.__name__ == "transformer_auto_wrap_policy"
    assert not plugin.cpu_ram_efficient_loading
    assert environment["ACCELERATE_MIXED_PRECISION"] == "bf16"


def test_deepspeed_trains_in_stage_3_and_offloads_both(path):
    launched = _launched(path("deepspeed_zero3_offload"))
    assert launched.use_deepspeed
    assert launched.zero_stage == 3
    assert (launched.offload_optimizer_device, launched.offload_param_device) == ("cpu", "cpu")
    assert launched.zero3_save_16bit_model is True
    # Machine and accelerate fill in what is left open; a number here would have to equal theirs.
    assert launched.gradient_accumulation_steps is launched.gradient_clipping is None


def test_ddp_runs(path, start, scoring, command, tmp_path):
    """Two processes on the CPU, as there may be no GPU here."""
    flags = ["score", *scoring, "--device", "cpu", "--limit", 10, "--output"]
    settings = ["--config_file", path("ddp"), "--main_process_port", 0]
    ended = start("accelerate.commands.launch", *settings, "-m", "mcqa", *flags, tmp_path / "two")
    assert ended.returncode == 0, ended.stderr
    assert ended.stderr.count("Scoring 10 questions") == 1
    assert command(*flags, tmp_path / "one").code == 0
    assert (tmp_path / "two").read_bytes() == (tmp_path / "one").read_bytes()
