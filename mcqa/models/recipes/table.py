"""The table of recipes: what each trains, which settings it takes, and what they start from.

A setting that a recipe does not take is refused, not ignored (`TrainingConfig`). `defaults` are
what a recipe starts from where it differs from the project's defaults; any flag overrides them.
"""

from dataclasses import dataclass, field

DEFAULT = "qlora"
LOW_RANK = ("lora_r", "lora_alpha", "lora_dropout", "rslora", "target_modules")
FLOAT = ("none",)
ANY = ("none", "int8", "nf4", "fp4")


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Say what one recipe is.

    Args:
        trains: what moves, beside the head, which is always trained in full.
        source: the paper.
        settings: names of the training settings it takes, all of them optional.
        defaults: settings that start from something else than the project's defaults.
        quantizations: of the backbone that it can work on; the first is its default.
        kept_by: `peft` where PEFT's format holds what was trained, `prompt` where it does so for
            virtual tokens but not for a head, `weights` where the changed tensors are kept.
        merges: whether merging can make a plain model of the result.
        keeps_base: whether the base's large weights stay as they are.
    """

    trains: str
    source: str
    settings: tuple[str, ...] = ()
    defaults: dict = field(default_factory=dict)
    quantizations: tuple[str, ...] = ANY
    kept_by: str = "peft"
    merges: bool = True
    keeps_base: bool = True


RECIPES = {
    "full": Recipe(
        trains="every weight",
        source="fine-tuning as it is",
        defaults={"learning_rate": 5e-5},
        quantizations=FLOAT,
        kept_by="weights",
        keeps_base=False,
    ),
    "top-layers": Recipe(
        trains="every weight of the last layers",
        source="Yosinski et al. 2014, arXiv 1411.1792",
        settings=("top_layers",),
        defaults={"learning_rate": 2e-4},
        quantizations=FLOAT,
        kept_by="weights",
        keeps_base=False,
    ),
    "bitfit": Recipe(
        trains="the biases; where a model has none, zero ones are added to its linear layers",
        source="Ben Zaken et al. 2021, arXiv 2106.10199",
        kept_by="weights",
    ),
    "layernorm": Recipe(
        trains="scale and shift of the layer norms",
        source="Zhao et al. 2023, arXiv 2312.11420",
        kept_by="weights",
    ),
    "adapter": Recipe(
        trains="a bottleneck (down, GELU, up, residual) behind attention and MLP of each layer",
        source="Houlsby et al. 2019, arXiv 1902.00751",
        settings=("bottleneck_size", "bottleneck_modules"),
        kept_by="weights",
        merges=False,
    ),
    "prefix-tuning": Recipe(
        trains="keys and values of virtual tokens, for every layer",
        source="Li and Liang 2021, arXiv 2101.00190",
        settings=("virtual_tokens",),
        defaults={"learning_rate": 1e-2},
        kept_by="prompt",
        merges=False,
    ),
    "prompt-tuning": Recipe(
        trains="embeddings of virtual tokens",
        source="Lester et al. 2021, arXiv 2104.08691",
        settings=("virtual_tokens",),
        defaults={"learning_rate": 1e-2},
        kept_by="prompt",
        merges=False,
    ),
    "p-tuning": Recipe(
        trains="a small network that writes the embeddings of virtual tokens",
        source="Liu et al. 2021, arXiv 2103.10385",
        settings=("virtual_tokens", "prompt_encoder_size"),
        kept_by="prompt",
        merges=False,
    ),
    "ia3": Recipe(
        trains="one factor for each key, value and inner MLP activation",
        source="Liu et al. 2022, arXiv 2205.05638",
        defaults={"learning_rate": 1e-2},
    ),
    "lora": Recipe(
        trains="low-rank updates of linear layers, scaled by alpha / r",
        source="Hu et al. 2021, arXiv 2106.09685",
        settings=LOW_RANK,
        defaults={"rslora": False},
    ),
    "rslora": Recipe(
        trains="low-rank updates of linear layers, scaled by alpha / sqrt(r)",
        source="Kalajdzievski 2023, arXiv 2312.03732",
        settings=LOW_RANK,
    ),
    "dora": Recipe(
        trains="low-rank updates of the directions, and the magnitudes, of linear layers",
        source="Liu et al. 2024, arXiv 2402.09353",
        settings=LOW_RANK,
        defaults={"rslora": False},
    ),
    "adalora": Recipe(
        trains="low-rank updates whose ranks are cut, during training, where they matter least",
        source="Zhang et al. 2023, arXiv 2303.10512",
        settings=(
            "adalora_initial_rank",
            "adalora_target_rank",
            "lora_alpha",
            "lora_dropout",
            "target_modules",
        ),
        defaults={"learning_rate": 2e-3},
    ),
    "loftq": Recipe(
        trains="low-rank updates that start from the quantization's error",
        source="Li et al. 2023, arXiv 2310.08659",
        settings=LOW_RANK,
        quantizations=("nf4", "fp4"),
    ),
    "qlora": Recipe(
        trains="low-rank updates, scaled by alpha / sqrt(r), of a backbone in 4-bit",
        source="Dettmers et al. 2023, arXiv 2305.14314",
        settings=LOW_RANK,
        quantizations=("nf4", "fp4", "int8", "none"),
    ),
    "lora-int8": Recipe(
        trains="low-rank updates of a backbone in int8",
        source="Dettmers et al. 2022, arXiv 2208.07339",
        settings=LOW_RANK,
        defaults={"rslora": False},
        quantizations=("int8",),
    ),
    "relora": Recipe(
        trains="low-rank updates, merged and started anew every few steps",
        source="Lialin et al. 2023, arXiv 2307.05695",
        settings=(*LOW_RANK, "relora_steps", "relora_warmup"),
        defaults={"rslora": False},
    ),
}
SETTINGS = tuple(dict.fromkeys(name for recipe in RECIPES.values() for name in recipe.settings))
