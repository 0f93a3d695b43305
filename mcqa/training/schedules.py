"""How long a run is, how fast it learns at each step, and what some recipes do on the way.

AdaLoRA cuts ranks after each step, ReLoRA starts anew every few steps; the others do nothing.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

from mcqa.models.recipes.restarts import restart
from mcqa.system import processes

# Shares of training: AdaLoRA leaves its ranks alone at first, and at last.
WARM_UP, FINAL = 0.1, 0.3


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """Say what happens at which optimizer step.

    Every `between` steps losses are logged, validation questions evaluated, and the run saved; the
    last two also at the end.
    """

    steps: int  # of the run
    between: int
    learning_rate: float  # at its peak
    factor: Callable[[int], float]  # the share of it at a step, from 0
    best_metric: str = "loss"  # or `accuracy`, by which the best step is chosen

    def rate(self, step: int) -> float:
        """Return the learning rate of a step, counted from 0."""
        return self.learning_rate * self.factor(step)

    def is_better(self, value: float, best: float | None) -> bool:
        """Compare two values of the metric; what is no number is never better."""
        if best is None:
            return math.isfinite(value)
        return value > best if self.best_metric == "accuracy" else value < best


def count_steps(steps_per_epoch: int, epochs: float, max_steps: int | None) -> int:
    """Return how many steps a run takes; part of an epoch is rounded up."""
    return max_steps or math.ceil(epochs * steps_per_epoch)


def linear(steps: int, warmup: int) -> Callable[[int], float]:
    """Return a learning-rate factor that rises to 1 in `warmup` steps, then falls to 0 at the end.

    >>> [linear(6, 2)(step) for step in range(7)]
    [0.0, 0.5, 1.0, 0.75, 0.5, 0.25, 0.0]
    """

    def factor(step: int) -> float:
        if step < warmup:
            return step / warmup
        return max(0.0, (steps - step) / max(1, steps - warmup))

    return factor


def jagged(factor: Callable[[int], float], every: int, warmup: int) -> Callable[[int], float]:
    """Return a learning-rate factor that rises from 0 back to another one after each restart."""

    def after_restart(step: int) -> float:
        since = step % every
        return factor(step) * (since / warmup if step >= every and since < warmup else 1.0)

    return after_restart


def pick_factor(
    steps: int, warmup: int, relora_steps: int | None = None, relora_warmup: int = 0, **others
) -> Callable[[int], float]:
    """Return a linear learning-rate factor, jagged where a recipe has settings to start anew."""
    factor = linear(steps, warmup)
    return jagged(factor, relora_steps, relora_warmup) if relora_steps else factor


class OnTheWay:
    """What a recipe does while it trains: nothing."""

    def begin(self, step: int, steps: int, passes: int) -> None:
        """Take note of steps taken before, steps of the run, and all passes that make a step."""

    def moved(self, step: int) -> None:
        """Act after the optimizer took a step, counted from 0, while gradients are still there."""

    def taken(self, step: int, optimizer) -> None:
        """Act once so many steps are taken."""


class RankBudget(OnTheWay):
    """Let AdaLoRA cut the ranks that matter least in a PeftModel, after each step.

    Source: Zhang et al. (2023), arXiv 2303.10512, equation 12.
    """

    def __init__(self, model):
        self.model = model

    def begin(self, step: int, steps: int, passes: int) -> None:
        config = self.model.active_peft_config
        # Every forward pass of a step adds the regularizer; together they are to add it once.
        config.orth_reg_weight = type(config).orth_reg_weight / passes
        config.total_step = steps
        config.tinit, config.tfinal = int(WARM_UP * steps), int(FINAL * steps)
        self.model.base_model.rankallocator.set_total_step(steps)
        if step:  # resumed: what was cut is zero
            ranks = self.model.get_base_model().named_parameters()
            cut = {n: (p != 0).flatten().tolist() for n, p in ranks if "lora_E" in n}
            config.rank_pattern = cut

    def moved(self, step: int) -> None:
        self.model.base_model.update_and_allocate(step)


class Restarts(OnTheWay):
    """Merge and restart LoRA every few steps but the last, and forget the optimizer's state of it.

    Source: Lialin et al. (2023), arXiv 2307.05695, algorithm 1.
    """

    def __init__(self, model, every: int):
        self.model, self.every = model, every

    def begin(self, step: int, steps: int, passes: int) -> None:
        self._steps = steps

    def taken(self, step: int, optimizer) -> None:
        if step % self.every or step >= self._steps:
            return
        for parameter in restart(self.model):
            processes.share_from_main(parameter.data)
            optimizer.state[parameter].clear()


def on_the_way(model, recipe: str, settings: dict) -> OnTheWay:
    """Return what a recipe does while it trains."""
    if recipe == "adalora":
        return RankBudget(model)
    if recipe == "relora":
        return Restarts(model, settings["relora_steps"])
    return OnTheWay()
