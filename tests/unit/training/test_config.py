"""Settings from a file and from flags: the flag wins, and every fault is told at once."""

import pytest
from pydantic import ValidationError

from mcqa.errors import ConfigError
from mcqa.training.config import TrainingConfig, load_config


@pytest.fixture
def yaml_file(tmp_path):
    def write(text):
        path = tmp_path / "config.yaml"
        path.write_text(text)
        return str(path)

    return write


def test_without_file_and_flags_everything_has_its_default():
    config = load_config(None, {})
    assert config == TrainingConfig()
    assert (config.model, config.data, config.quantization) == ("smollm2-135m", ("bundled",), "nf4")
    assert (config.lora_r, config.template) == (16, "cloze")


def test_a_flag_overrides_the_file_and_a_flag_not_given_does_not(yaml_file):
    path = yaml_file("lora_r: 4\nseed: 7\ntarget_modules: [q_proj, v_proj]\nrslora: false\n")
    config = load_config(path, {"lora_r": 8, "seed": None, "epochs": None})
    assert (config.lora_r, config.seed, config.rslora) == (8, 7, False)
    assert config.target_modules == ("q_proj", "v_proj")
    assert config.epochs == TrainingConfig().epochs


def test_fields_are_a_mapping_in_a_file_and_pairs_as_flags(yaml_file):
    path = yaml_file("field: {stem: prompt, label: gold}\n")
    assert load_config(path, {}).field == ("stem=prompt", "label=gold")
    assert load_config(path, {"field": ("stem=text",)}).field == ("stem=text",)
    for wrong in ("stem", "stem=", "prompt=stem"):
        with pytest.raises(ConfigError, match=f"field '{wrong.partition('=')[0]}"):
            load_config(None, {"field": (wrong,)})


def test_a_flag_of_zero_or_false_is_given(yaml_file):
    path = yaml_file("seed: 7\nresume: true\nwarmup_steps: 5\n")
    config = load_config(path, {"seed": 0, "resume": False, "warmup_steps": 0})
    assert (config.seed, config.resume, config.warmup_steps) == (0, False, 0)


def test_every_fault_is_told_at_once_with_its_field(yaml_file):
    path = yaml_file("lora_r: 0\nlearning_rate: fast\nquantization: int4\nlora_dropout: 1\n")
    with pytest.raises(ConfigError) as raised:
        load_config(path, {"batch_size": -1, "template": "letterd"})
    message = str(raised.value)
    assert path in message
    assert len(message.splitlines()) == 1 + 6
    for fault in ("lora_r = 0", "learning_rate = 'fast'", "quantization = 'int4'"):
        assert fault in message
    for fault in ("lora_dropout = 1", "batch_size = -1", "template = 'letterd'"):
        assert fault in message
    for allowed in ("'nf4'", "'int8'", "'none'", "'cloze'", "'lettered'", "'hybrid'"):
        assert allowed in message


def test_one_fault_is_one_line():
    with pytest.raises(ConfigError, match=r"\n  lora_r = 0: .*$") as raised:
        load_config(None, {"lora_r": 0})
    assert len(str(raised.value).splitlines()) == 1 + 1


def test_an_unknown_setting_lists_the_known_ones(yaml_file):
    with pytest.raises(ConfigError) as raised:
        load_config(yaml_file("lora_rank: 4\n"), {})
    message = str(raised.value)
    assert "lora_rank: no such setting" in message
    assert all(name in message for name in TrainingConfig.model_fields)


def test_resume_and_overwrite_exclude_each_other():
    with pytest.raises(ConfigError, match="resume and overwrite exclude each other"):
        load_config(None, {"resume": True, "overwrite": True})


@pytest.mark.parametrize("text", ["- a\n- b\n", "just a text\n", "7: seven\n", ""])
def test_a_file_that_is_no_list_of_settings_is_refused(yaml_file, text):
    with pytest.raises(ConfigError, match="`setting: value` lines"):
        load_config(yaml_file(text), {})


@pytest.mark.parametrize("text", ["a: [1\n", "a: \x00\n", "!!python/object:os.system {}\n"])
def test_a_file_that_is_no_yaml_is_refused(yaml_file, text):
    with pytest.raises(ConfigError, match="cannot be read as YAML"):
        load_config(yaml_file(text), {})


def test_a_missing_file_is_refused_by_name(tmp_path):
    with pytest.raises(ConfigError, match=r"missing\.yaml: cannot be read"):
        load_config(str(tmp_path / "missing.yaml"), {})


def test_a_configuration_does_not_change():
    with pytest.raises(ValidationError, match="frozen"):
        TrainingConfig().seed = 1


def test_every_setting_is_described():
    assert all(field.description for field in TrainingConfig.model_fields.values())


def test_a_configuration_survives_its_own_record():
    config = load_config(None, {"target_modules": ("q_proj",), "max_steps": 3})
    assert TrainingConfig(**config.model_dump(mode="json")) == config


@pytest.mark.parametrize(
    ("text", "trackers"),
    [
        ("none", ()),
        ("[none]", ()),
        ("tensorboard", ("tensorboard",)),
        ("[wandb, trackio]", ("wandb", "trackio")),
    ],
)
def test_trackers_are_one_several_or_none(yaml_file, text, trackers):
    assert load_config(yaml_file(f"report_to: {text}\n"), {}).report_to == trackers


def test_a_flag_for_trackers_replaces_those_of_the_file(yaml_file):
    path = yaml_file("report_to: wandb\n")
    assert load_config(path, {"report_to": ("none",)}).report_to == ()
    with pytest.raises(ConfigError, match=r"report_to.*'tensorboard', 'wandb' or 'trackio'"):
        load_config(path, {"report_to": ("mlflow",)})


def test_a_recipe_brings_its_own_defaults_and_what_is_given_wins():
    config = TrainingConfig(recipe="full")
    assert (config.quantization, config.learning_rate) == ("none", 5e-5)
    config = TrainingConfig(recipe="lora", rslora=True, quantization="nf4")
    assert (config.rslora, config.quantization) == (True, "nf4")
    assert TrainingConfig().recipe_settings() == {
        "lora_r": 16,
        "lora_alpha": 16,
        "lora_dropout": 0.0,
        "rslora": True,
        "target_modules": TrainingConfig().target_modules,
    }
    assert TrainingConfig(recipe="prompt-tuning").recipe_settings() == {"virtual_tokens": 20}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"recipe": "lora-r"}, "recipe = 'lora-r'"),
        ({"recipe": "bitfit", "lora_r": 8}, "lora_r: recipe bitfit takes no settings of its own"),
        ({"virtual_tokens": 8}, "virtual_tokens: recipe qlora takes lora_r"),
        ({"recipe": "full", "quantization": "nf4"}, "full does not work on quantization nf4"),
        ({"recipe": "loftq", "quantization": "none"}, "use nf4, fp4"),
        ({"recipe": "prefix-tuning", "gradient_checkpointing": True}, "does not go with"),
    ],
)
def test_a_recipe_refuses_what_it_does_not_take(settings, message):
    with pytest.raises(ConfigError, match=message):
        load_config(None, settings)


def test_going_on_keeps_the_recipe_and_what_was_asked_for():
    earlier = {"recipe": "lora", "recipe_settings": {"lora_r": 4}, "quantization": "none"}
    config = TrainingConfig(epochs=3).going_on_from(earlier)
    assert (config.recipe, config.lora_r, config.epochs) == ("lora", 4, 3)
    assert config.quantization == "none"
    assert TrainingConfig(quantization="int8").going_on_from(earlier).quantization == "int8"


def test_a_flag_replaces_the_passages_of_the_file(yaml_file):
    path = yaml_file("context: retrieved\nindex: idx\ntop_k: 5\n")
    config = load_config(path, {"corpus": "train.jsonl"})
    assert (config.index, config.corpus, config.top_k) == (None, "train.jsonl", 5)
    assert load_config(path, {"context": "retrieved"}) == load_config(path, {})
    config = load_config(path, {"context": "none"})
    assert (config.context, config.index, config.top_k) == ("none", None, 3)
