"""A head on its decoder as one ONNX graph that takes a branched batch.

The mask is made inside of the graph, so that who calls it lays out tokens and nothing else
(`mcqa.export.onnx_client`). Sliding windows are refused: they count positions, the graph's mask
does not.
"""

import contextlib
import logging
import warnings
from pathlib import Path

import torch
from torch import Tensor, nn

from heads.branching import PADDING, PREFIX, pack
from heads.own_logits import trunk_name
from heads.trunk import unknown_layers
from mcqa.errors import ConfigError

FILE = "model.onnx"
INPUTS = ("input_ids", "position_ids", "branch_ids", "ends")
DTYPE = "float32"


def check_layers(run: str, config) -> None:
    """Raise ConfigError for a decoder with windows, or with layers that take no mask."""
    kinds = set(getattr(config, "layer_types", None) or ())
    if kinds:
        windows = "sliding_attention" in kinds
    else:
        windows = getattr(config, "sliding_window", None) is not None
    if windows or unknown_layers(config):
        raise ConfigError(
            f"{run}: format onnx is for decoders whose layers all attend in full, and "
            f"{config.model_type!r} has others. Use --format sequence-classification."
        )


class ScoringGraph(nn.Module):
    """Hold a decoder's trunk and the default head, to be traced."""

    def __init__(self, model):
        super().__init__()
        self.trunk = getattr(model, trunk_name(model))
        self.weight = model.option_head.weight

    def forward(
        self, input_ids: Tensor, position_ids: Tensor, branch_ids: Tensor, ends: Tensor
    ) -> Tensor:
        """Return (B, O) scores, -inf where no option is.

        Args:
            input_ids, position_ids, branch_ids: (R, T), see `heads.branching.BranchedBatch`.
            ends: (B, O) where in the R * T flattened tokens an option's last one is; -1 for none.
        """
        # As `heads.branching.branch_sight`, but by broadcasting: indices would fix the sizes.
        of_query, of_key = branch_ids[:, :, None], branch_ids[:, None, :]
        places = torch.arange(branch_ids.shape[1])
        earlier, same = places <= places[:, None], places == places[:, None]
        seen = earlier & (of_key != PADDING) & ((of_key == PREFIX) | (of_key == of_query)) | same
        mask = torch.zeros(seen.shape).masked_fill(~seen, torch.finfo(torch.float32).min)
        inputs = {"input_ids": input_ids, "position_ids": position_ids, "use_cache": False}
        hidden = self.trunk(attention_mask=mask[:, None], **inputs).last_hidden_state
        vectors_BOD = hidden.flatten(0, 1)[ends.clamp(min=0)]
        scores_BO = (vectors_BOD * self.weight).sum(-1)
        return scores_BO.masked_fill(ends < 0, float("-inf"))


def write_onnx(path: Path, model) -> None:
    """Trace a float32 multiple-choice decoder with the default head, and write the graph."""
    batch = pack([[1, 2, 3], [4, 5]], [[[1, 2], [3]], [[4], [5, 6, 7], [8]]])
    ends = (batch.option_spans[..., 1] - 1).masked_fill(~batch.option_mask, -1)
    example = (batch.input_ids, batch.position_ids, batch.branch_ids, ends)
    any_size = {0: torch.export.Dim.DYNAMIC, 1: torch.export.Dim.DYNAMIC}
    model.set_attn_implementation("sdpa")
    with _quiet():
        program = torch.onnx.export(
            ScoringGraph(model).eval(),
            example,
            input_names=INPUTS,
            output_names=["scores"],
            dynamic_shapes=dict.fromkeys(INPUTS, any_size),
            dynamo=True,
            verbose=False,
        )
        program.save(path, external_data=True)


@contextlib.contextmanager
def _quiet():
    """Keep back what the exporter prints and logs of its own steps."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            yield
        finally:
            logger.setLevel(level)
