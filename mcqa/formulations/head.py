"""What of a multiple-choice head can be set, on the command line and in a YAML file.

What a saved model keeps of it is `heads.settings`, which cannot be imported without torch.
"""

from typing import Literal

from pydantic import BaseModel, Field, model_validator

from mcqa.errors import ConfigError


class HeadOptions(BaseModel):
    """Hold the settings of a head; the descriptions are the command line's help."""

    pooling: Literal["last", "mean", "attention"] = Field(
        "last", description="from an option's tokens to its vector"
    )
    interaction: Literal["none", "attention"] = Field(
        "none", description="attention lets options see their rivals"
    )
    head_init: Literal["zero", "normal", "words"] = Field(
        "zero", description="how the head starts; words needs head_words"
    )
    head_words: tuple[str, ...] = Field(
        (), description="two words whose rows of the LM head make its start: in favour, against"
    )
    loss: Literal["cross_entropy", "binary", "margin", "listwise"] = Field(
        "cross_entropy", description="objective over the options' scores"
    )
    label_smoothing: float = Field(0.0, ge=0, lt=1, description="of the cross-entropy")
    lm_loss_weight: float = Field(
        0.0, ge=0, description="weight of a next-token loss on the right option"
    )

    @model_validator(mode="after")
    def _head_fits(self):
        if len(self.head_words) != (2 if self.head_init == "words" else 0):
            raise ValueError("head_init words needs two head_words, any other none")
        if self.label_smoothing and self.loss != "cross_entropy":
            raise ValueError("label_smoothing is for loss cross_entropy")
        return self

    def changed_head(self) -> list[str]:
        """Return the names of the head's settings that are not what they start from."""
        fields = HeadOptions.model_fields.items()
        return [name for name, field in fields if getattr(self, name) != field.default]

    def refuse_head(self) -> None:
        """Refuse settings of a head, by a ConfigError, where there is none."""
        if unused := self.changed_head():
            raise ConfigError(
                f"{', '.join(unused)}: only the multiple-choice formulation has a head; "
                "leave it out, or use `mcqa train multiple-choice`."
            )
