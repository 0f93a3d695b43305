"""Score options with model.onnx: needs numpy, onnxruntime and tokenizers, and nothing else.

A question's options share its prefix, which is computed once: they branch off it, in one row.

    model = Model("folder")
    scores = model.scores("Question: ...\\nAnswer:", [" honey", " silk"])
    probabilities = softmax(scores / temperature)
"""

from itertools import takewhile
from pathlib import Path

import numpy as np


class Model:
    """Hold the graph and the tokenizer of an exported folder."""

    def __init__(self, folder: str, threads: int = 0):
        import onnxruntime
        from tokenizers import Tokenizer

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        path = str(Path(folder, "model.onnx"))
        self.session = onnxruntime.InferenceSession(
            path, options, providers=["CPUExecutionProvider"]
        )
        self.tokenizer = Tokenizer.from_file(str(Path(folder, "tokenizer.json")))
        self.tokenizer.no_padding()
        self.tokenizer.no_truncation()

    def tokens(self, prefix: str, continuations: list[str]) -> list[list[int]]:
        """Return the token ids of each option behind the prefix, written as one text."""
        return [self.tokenizer.encode(prefix + text).ids for text in continuations]

    def scores(self, prefix: str, continuations: list[str]) -> np.ndarray:
        """Return one score for each option, a logit; their softmax is the probabilities."""
        return self.scores_of_tokens([self.tokens(prefix, continuations)])[0]

    def scores_of_tokens(self, questions: list[list[list[int]]]) -> list[np.ndarray]:
        """Return the scores of several questions at once, each given as its options' token ids."""
        (scores,) = self.session.run(None, lay_out(questions))
        return [row[: len(rows)] for row, rows in zip(scores, questions, strict=True)]


def lay_out(questions: list[list[list[int]]]) -> dict[str, np.ndarray]:
    """Return the inputs of the graph: each question a row, its options side by side.

    Every option keeps at least its last token to itself.
    """
    packed = []
    for rows in questions:
        same = takewhile(lambda column: len(set(column)) == 1, zip(*rows, strict=False))
        shared = min(len(list(same)), min(map(len, rows)) - 1)
        tokens, positions, branches, ends = rows[0][:shared], list(range(shared)), [0] * shared, []
        for number, row in enumerate(rows, 1):
            tokens = tokens + row[shared:]
            positions += range(shared, len(row))
            branches += [number] * (len(row) - shared)
            ends.append(len(tokens) - 1)
        packed.append((tokens, positions, branches, ends))
    length = max(len(tokens) for tokens, *_ in packed)
    options = max(len(ends) for *_, ends in packed)
    inputs = {
        "input_ids": np.zeros((len(packed), length), dtype=np.int64),
        "position_ids": np.zeros((len(packed), length), dtype=np.int64),
        "branch_ids": np.full((len(packed), length), -1, dtype=np.int64),  # -1 is padding
        "ends": np.full((len(packed), options), -1, dtype=np.int64),
    }
    for number, (tokens, positions, branches, ends) in enumerate(packed):
        inputs["input_ids"][number, : len(tokens)] = tokens
        inputs["position_ids"][number, : len(tokens)] = positions
        inputs["branch_ids"][number, : len(tokens)] = branches
        inputs["ends"][number, : len(ends)] = np.add(ends, number * length)
    return inputs


def softmax(scores: np.ndarray) -> np.ndarray:
    """Return the probabilities of scores."""
    powers = np.exp(scores - scores.max())
    return powers / powers.sum()
