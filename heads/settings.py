"""What a multiple-choice head is made of and trained with: stored in the model's config."""

from dataclasses import asdict, dataclass, fields

CHOICES = {
    "pooling": ("last", "mean", "attention"),
    "interaction": ("none", "attention"),
    "init": ("zero", "normal", "words"),
    "loss": ("cross_entropy", "binary", "margin", "listwise"),
}


@dataclass(frozen=True, kw_only=True)
class HeadSettings:
    """Hold the settings of a head; `config.multiple_choice` holds them as a dict.

    Args:
        pooling: an option's vector: its `last` token's state, or `mean` or `attention` over all.
        interaction: `none`, or one self-`attention` layer over the options' vectors.
        init: `zero`, `normal`, or `words`: the LM head's row of one word minus another's.
        words: token ids of these two words.
        loss, label_smoothing: see `heads.losses`.
        lm_loss_weight: of the next-token loss on the right option; above 0 the LM head is kept.
    """

    pooling: str = "last"
    interaction: str = "none"
    init: str = "zero"
    words: tuple[int, int] | None = None
    loss: str = "cross_entropy"
    label_smoothing: float = 0.0
    lm_loss_weight: float = 0.0

    def __post_init__(self):
        for name, allowed in CHOICES.items():
            if (value := getattr(self, name)) not in allowed:
                raise ValueError(f"{name} {value!r}: must be one of {', '.join(allowed)}.")
        if (self.init == "words") != (self.words is not None):
            raise ValueError("init 'words' and the two token ids in words go together.")
        if self.words is not None and len(self.words) != 2:
            raise ValueError(f"words {self.words!r}: must be two token ids.")
        if not 0 <= self.label_smoothing < 1:
            raise ValueError(f"label_smoothing {self.label_smoothing}: must be in [0, 1).")
        if self.label_smoothing and self.loss != "cross_entropy":
            raise ValueError(f"label_smoothing is for loss 'cross_entropy', not {self.loss!r}.")
        if self.lm_loss_weight < 0:
            raise ValueError(f"lm_loss_weight {self.lm_loss_weight}: must not be negative.")

    @classmethod
    def from_dict(cls, values: dict | None) -> "HeadSettings":
        """Return the settings of a config's dict, or the defaults."""
        values = values or {}
        known = [field.name for field in fields(cls)]
        if unknown := ", ".join(sorted(values.keys() - set(known))):
            there = ", ".join(known)
            raise ValueError(f"multiple_choice: no setting {unknown}; there are {there}.")
        return cls(**values)

    def as_dict(self) -> dict:
        """Return the settings as JSON knows them."""
        return asdict(self) | {"words": list(self.words) if self.words is not None else None}
