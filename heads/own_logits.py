"""What a causal LM's own forward makes of hidden states: logits, whatever stands in between.

Architectures scale their logits, cap them, add a bias, or take them through further layers: so the
model's own forward runs, and its trunk gives the states that are wanted. Only these pay for the LM
head, and adapters, wrappers and quantized layers in it stay as they are.
"""

from inspect import ismethod
from types import MethodType

from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.modeling_outputs import MoeModelOutputWithPast


def own_logits(model: nn.Module, hidden_ND: Tensor) -> Tensor:
    """Return the (N, V) float32 next-token logits of N last hidden states of a model's trunk.

    Args:
        model: a causal LM, with adapters or without, or a multiple-choice model with an LM head.
    """
    if hasattr(model, "get_base_model"):  # PEFT's wrapper puts virtual tokens before all it gets
        model = model.get_base_model()
    if hasattr(model, "causal_lm"):
        model = model.causal_lm()
    trunk = trunk_name(model)
    own = _Borrowed(model, **{trunk: _GivenStates(getattr(model, trunk))})
    # The class's forward: trainers put one on an instance that is bound to the whole model.
    forward = type(model).forward
    return forward(own, inputs_embeds=hidden_ND[None], use_cache=False).logits[0].float()


def trunk_name(model: nn.Module) -> str:
    """Return the name of the module that a model's head stands on."""
    if hasattr(model, model.base_model_prefix):
        return model.base_model_prefix
    return next(n for n, module in model.named_children() if isinstance(module, PreTrainedModel))


class _Borrowed:
    """Be what another object is, but for some attributes; its methods see these too."""

    def __init__(self, lender, **attributes):
        self._lender = lender
        self.__dict__.update(attributes)

    @property
    def __class__(self):
        return type(self._lender)  # for a `super()` in its methods

    def __getattr__(self, name: str):
        value = getattr(self._lender, name)
        own = ismethod(value) and value.__self__ is self._lender
        return MethodType(value.__func__, self) if own else value


class _GivenStates(_Borrowed):
    """A trunk that returns the embeddings it gets as its last hidden states."""

    @property
    def decoder(self) -> "_GivenStates":
        """Some models call the decoder inside their trunk."""
        return self

    def __call__(self, *ignored, inputs_embeds: Tensor | None = None, **others) -> "_States":
        if inputs_embeds is None:
            raise TypeError("its forward takes no inputs_embeds")
        return _States(last_hidden_state=inputs_embeds)


class _States(MoeModelOutputWithPast):
    """A trunk's output of nothing but hidden states: what else it may be asked for is None."""

    def __getattr__(self, name: str) -> None:
        if name.startswith("__"):
            raise AttributeError(name)
