"""The table of recipes: what each trains, which settings it takes, and what they start from.

A setting that a recipe does not take is refused, not ignored (`TrainingConfig`).
"""

from dataclasses import dataclass, field

DEFAULT = "qlora"
LOW_RANK = ("lora_r", "lora_alpha", "lora_dropout", "rslora", "target_modules")
QUANTIZATIONS = ("nf4", "fp4", "int8", "none")
DTYPES = ("auto", "bfloat16", "float16", "float32")


@dataclass(frozen=True)
class Recipe:
    """Say what one recipe is."""

    trains: str  # beside the head, which is always trained in full
    source: str
    settings: tuple[str, ...] = ()  # names of the training settings it takes
    defaults: dict = field(default_factory=dict)  # of settings, instead of the project's own
    # Of the backbone that it can work on; the first is its default.
    quantizations: tuple[str, ...] = ("none", "int8", "nf4", "fp4")
    # `peft`: PEFT's format holds what was trained; `prompt`: it does so for virtual tokens, but not
    # for a head; `weights`: the changed tensors are kept.
    kept_by: str = "peft"
    merges: bool = True  # can merging make a plain model of the result?
    keeps_base: bool = True  # do the base's large weights stay as they are?


LORA = {"settings": LOW_RANK}
PLAIN_LORA = LORA | {"defaults": {"rslora": False}}
PROMPT = {"settings": ("virtual_tokens",), "kept_by": "prompt", "merges": False}
FAST = {"defaults": {"learning_rate": 1e-2}}
OWN = {"kept_by": "weights"}
OWN_LARGE = {"kept_by": "weights", "quantizations": ("none",), "keeps_base": False}

RECIPES = {
    "full": Recipe(
        "every weight", "fine-tuning as it is", **OWN_LARGE, defaults={"learning_rate": 5e-5}
    ),
    "top-layers": Recipe(
        "every weight of the last layers",
        "Yosinski et al. 2014, arXiv 1411.1792",
        **OWN_LARGE,
        settings=("top_layers",),
        defaults={"learning_rate": 2e-4},
    ),
    "bitfit": Recipe(
        "the biases; where a model has none, zero ones are added to its linear layers",
        "Ben Zaken et al. 2021, arXiv 2106.10199",
        **OWN,
    ),
    "layernorm": Recipe(
        "scale and shift of the layer norms", "Zhao et al. 2023, arXiv 2312.11420", **OWN
    ),
    "adapter": Recipe(
        "a bottleneck (down, GELU, up, residual) behind attention and MLP of each layer",
        "Houlsby et al. 2019, arXiv 1902.00751",
        **OWN,
        settings=("bottleneck_size", "bottleneck_modules"),
        merges=False,
    ),
    "prefix-tuning": Recipe(
        "keys and values of virtual tokens, for every layer",
        "Li and Liang 2021, arXiv 2101.00190",
        **PROMPT | FAST,
    ),
    "prompt-tuning": Recipe(
        "embeddings of virtual tokens",
        "Lester et al. 2021, arXiv 2104.08691",
        **PROMPT | FAST,
    ),
    "p-tuning": Recipe(
        "a small network that writes the embeddings of virtual tokens",
        "Liu et al. 2021, arXiv 2103.10385",
        **PROMPT | {"settings": ("virtual_tokens", "prompt_encoder_size")},
    ),
    "ia3": Recipe(
        "one factor for each key, value and inner MLP activation",
        "Liu et al. 2022, arXiv 2205.05638",
        **FAST,
    ),
    "lora": Recipe(
        "low-rank updates of linear layers, scaled by alpha / r",
        "Hu et al. 2021, arXiv 2106.09685",
        **PLAIN_LORA,
    ),
    "rslora": Recipe(
        "low-rank updates of linear layers, scaled by alpha / sqrt(r)",
        "Kalajdzievski 2023, arXiv 2312.03732",
        **LORA,
    ),
    "dora": Recipe(
        "low-rank updates of the directions, and the magnitudes, of linear layers",
        "Liu et al. 2024, arXiv 2402.09353",
        **PLAIN_LORA,
    ),
    "adalora": Recipe(
        "low-rank updates whose ranks are cut, during training, where they matter least",
        "Zhang et al. 2023, arXiv 2303.10512",
        settings=(
            *("adalora_initial_rank", "adalora_target_rank"),
            *("lora_alpha", "lora_dropout", "target_modules"),
        ),
        defaults={"learning_rate": 2e-3},
    ),
    "loftq": Recipe(
        "low-rank updates that start from the quantization's error",
        "Li et al. 2023, arXiv 2310.08659",
        **LORA,
        quantizations=("nf4", "fp4"),
    ),
    "qlora": Recipe(
        "low-rank updates, scaled by alpha / sqrt(r), of a backbone in 4-bit",
        "Dettmers et al. 2023, arXiv 2305.14314",
        **LORA,
        quantizations=QUANTIZATIONS,
    ),
    "lora-int8": Recipe(
        "low-rank updates of a backbone in int8",
        "Dettmers et al. 2022, arXiv 2208.07339",
        **PLAIN_LORA,
        quantizations=("int8",),
    ),
    "relora": Recipe(
        "low-rank updates, merged and started anew every few steps",
        "Lialin et al. 2023, arXiv 2307.05695",
        **PLAIN_LORA | {"settings": (*LOW_RANK, "relora_steps", "relora_warmup")},
    ),
}
SETTINGS = tuple(dict.fromkeys(name for recipe in RECIPES.values() for name in recipe.settings))
