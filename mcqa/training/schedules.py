"""What some recipes do while training runs: AdaLoRA cuts ranks, ReLoRA starts anew."""

from collections.abc import Callable

from transformers import TrainerCallback

from mcqa import distributed
from mcqa.recipes.restarts import restart

# Shares of training: AdaLoRA leaves its ranks alone at first, and at last.
WARM_UP, FINAL = 0.1, 0.3


class RankBudget(TrainerCallback):
    """Let AdaLoRA cut the ranks that matter least, after each step.

    Source: Zhang et al. (2023), arXiv 2303.10512, equation 12.

    Args:
        model: the PeftModel that trains.
    """

    def __init__(self, model):
        self.model = model

    def on_train_begin(self, args, state, control, **kwargs):
        config, total = self.model.active_peft_config, state.max_steps
        # Every forward pass of a step adds the regularizer; together they are to add it once.
        passes = args.gradient_accumulation_steps * args.world_size
        config.orth_reg_weight = type(config).orth_reg_weight / passes
        config.total_step = total
        config.tinit, config.tfinal = int(WARM_UP * total), int(FINAL * total)
        self.model.base_model.rankallocator.set_total_step(total)
        if state.global_step:  # resumed: what was cut is zero
            ranks = self.model.get_base_model().named_parameters()
            cut = {n: (p != 0).flatten().tolist() for n, p in ranks if "lora_E" in n}
            config.rank_pattern = cut

    def on_optimizer_step(self, args, state, control, **kwargs):
        self.model.base_model.update_and_allocate(state.global_step)


class Restarts(TrainerCallback):
    """Merge and restart LoRA every few steps, and forget the optimizer's state of it.

    Source: Lialin et al. (2023), arXiv 2307.05695, algorithm 1.

    Args:
        model: from `mcqa.recipes.restarts.add_relora`.
        every: steps between restarts.
    """

    def __init__(self, model, every: int):
        self.model = model
        self.every = every

    def on_step_end(self, args, state, control, optimizer=None, **kwargs):
        if state.global_step % self.every or state.global_step >= state.max_steps:
            return
        for parameter in restart(self.model):
            distributed.share_from_main(parameter.data)
            optimizer.state[parameter].clear()


def jagged(factor: Callable[[int], float], every: int, warmup: int) -> Callable[[int], float]:
    """Return a learning-rate factor that warms up anew after each restart.

    Args:
        factor: step -> share of the peak learning rate, without restarts.
        every: steps between restarts.
        warmup: steps from 0 back to `factor`.

    >>> [jagged(lambda step: 1.0, 4, 2)(step) for step in range(8)]
    [1.0, 1.0, 1.0, 1.0, 0.0, 0.5, 1.0, 1.0]
    """

    def after_restart(step: int) -> float:
        since = step % every
        rising = since / warmup if step >= every and since < warmup else 1.0
        return factor(step) * rising

    return after_restart


def recipe_callbacks(model, recipe: str, settings: dict) -> list[TrainerCallback]:
    """Return what a recipe does while training runs."""
    if recipe == "adalora":
        return [RankBudget(model)]
    if recipe == "relora":
        return [Restarts(model, settings["relora_steps"])]
    return []
