"""What a causal LM's own forward makes of hidden states: logits, whatever stands in between.

Architectures scale their logits, cap them, add a bias, or take them through further layers. None of
this is written anew here: the model's own forward runs, and where its trunk's hidden states would
come it gets those that it is given. So only the states that are wanted pay for the LM head, and
adapters, wrappers and quantized layers in the head stay what they are.
"""

from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.modeling_outputs import MoeModelOutputWithPast


def own_logits(model: nn.Module, hidden_ND: Tensor) -> Tensor:
    """Return the (N, V) float32 next-token logits of N hidden states.

    Args:
        model: a causal LM of transformers, with adapters or without, or a multiple-choice model
            that keeps an LM head.
        hidden_ND: last hidden states of the model's trunk, in any order.
    """
    if hasattr(model, "get_base_model"):  # PEFT's wrapper puts virtual tokens before all it gets
        model = model.get_base_model()
    head = model.causal_lm() if hasattr(model, "causal_lm") else without_trunk(model)
    return head(inputs_embeds=hidden_ND[None], use_cache=False).logits[0].float()


def trunk_name(model: nn.Module) -> str:
    """Return the name of the module that a model's head stands on."""
    if hasattr(model, model.base_model_prefix):
        return model.base_model_prefix
    children = model.named_children()
    return next(name for name, module in children if isinstance(module, PreTrainedModel))


def without_trunk(model: nn.Module) -> nn.Module:
    """Return a model of the same class on the same modules that takes hidden states as embeddings.

    It costs microseconds and is made anew for every call, for adapters come and go.
    """
    made = type(model).__new__(type(model))
    nn.Module.__init__(made)
    _take_attributes(made, model)
    for name, module in model.named_children():
        made.add_module(name, module)
    for name, parameter in model.named_parameters(recurse=False):
        made.register_parameter(name, parameter)
    for name, buffer in model.named_buffers(recurse=False):
        made.register_buffer(name, buffer)
    trunk = trunk_name(model)
    setattr(made, trunk, GivenStates(getattr(model, trunk)))
    made.training = model.training
    return made


def _take_attributes(module: nn.Module, other: nn.Module) -> None:
    """Give a module what another one has beside tensors, modules and hooks."""
    # Trainers put a forward on an instance that is bound to the whole model.
    kept = vars(module).keys() | {"forward"}
    vars(module).update({name: value for name, value in vars(other).items() if name not in kept})


class GivenStates(nn.Module):
    """Stand in a trunk's place and return the embeddings that come in as its hidden states."""

    def __init__(self, trunk: nn.Module):
        super().__init__()
        _take_attributes(self, trunk)  # a model's head may look for a factor there

    @property
    def decoder(self) -> "GivenStates":
        """Return itself: some models call the decoder inside their trunk."""
        return self

    def forward(self, *ignored, inputs_embeds: Tensor | None = None, **others) -> "States":
        """Return (1, N, D) embeddings as last hidden states."""
        if inputs_embeds is None:
            raise TypeError("its forward takes no inputs_embeds")
        return States(last_hidden_state=inputs_embeds)


class States(MoeModelOutputWithPast):
    """A trunk's output of nothing but hidden states: what else it may be asked for is None."""

    def __getattr__(self, name: str) -> None:
        if name.startswith("__"):
            raise AttributeError(name)
