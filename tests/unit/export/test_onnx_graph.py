"""What is traced, and the client that lies beside the graph, against the model; without ONNX."""

import numpy as np
import pytest
import torch
from architectures import build

from heads.shared_prefix import branch_rows
from mcqa.errors import ConfigError
from mcqa.export.onnx_client import lay_out, softmax
from mcqa.export.onnx_graph import INPUTS, ScoringGraph, check_layers

QUESTIONS = [
    [[5, 6, 7, 1, 2], [5, 6, 7, 3], [5, 6, 7]],  # the last one is the beginning of the others
    [[9, 8, 4], [9, 8, 4]],
    [[5], [6, 7]],
]


def padded(rows):
    """Return (1, O, T) tokens and their mask."""
    length = max(map(len, rows))
    ids = [[*row, *[0] * (length - len(row))] for row in rows]
    mask = [[1] * len(row) + [0] * (length - len(row)) for row in rows]
    return torch.tensor([ids]), torch.tensor([mask])


@pytest.mark.parametrize("name", ["llama", "gpt2", "qwen2", "qwen3", "olmo2"])
def test_the_graph_scores_as_the_model(name):
    model = build(name)
    check_layers("a run", model.config)
    inputs = {key: torch.from_numpy(value) for key, value in lay_out(QUESTIONS).items()}
    with torch.no_grad():
        scores = ScoringGraph(model)(**inputs)
        for rows, found in zip(QUESTIONS, scores, strict=True):
            expected = model(*padded(rows)).logits[0]
            assert found[: len(rows)].tolist() == pytest.approx(expected.tolist(), abs=1e-5)
            assert found[len(rows) :].isneginf().all()


@pytest.mark.parametrize("rows", QUESTIONS)
def test_the_client_lays_out_as_heads_do(rows):
    inputs, batch = lay_out([rows]), branch_rows(*padded(rows))
    assert list(inputs) == list(INPUTS)
    if batch.input_ids.shape[0] == 1:  # without a prefix ours is a row for each option
        for name in ("input_ids", "position_ids", "branch_ids"):
            assert inputs[name].tolist() == getattr(batch, name).tolist()
        assert inputs["ends"].tolist() == (batch.option_spans[..., 1] - 1).tolist()


@pytest.mark.parametrize("name", ["mistral-window", "gemma2-window"])
def test_windows_are_refused(name):
    with pytest.raises(ConfigError, match="attend in full"):
        check_layers("a run", build(name).config)


def test_probabilities_sum_to_one():
    assert softmax(np.array([1000.0, 1000.0])).tolist() == [0.5, 0.5]
