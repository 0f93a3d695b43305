"""Score questions through an exported folder, with the libraries it is for, and compare.

Each format gets the texts, not our token ids, as its users will give them; so texts that become
other tokens there are counted. None of this uses how mcqa itself scores.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from mcqa.errors import MissingDependencyError
from mcqa.formulations.likelihoods import LENGTHS
from mcqa.models.backbones import load_tokenizer
from mcqa.prompting.prompts import RenderedQuestion
from mcqa.question import Question
from mcqa.scoring.scorer import Scorer


class Scored(NamedTuple):
    """Hold the scores of a question's options, and each option's tokens behind the prefix."""

    scores: list[float]
    rows: list[list[int]]


def compare(scorer: Scorer, questions: Sequence[Question], score: Callable) -> dict:
    """Return how far the scores of an exported folder are from those of its run.

    Args:
        scorer: of the run.
        score: from a question's encoding and text to its `Scored`.

    Returns:
        `n`, `unit`, `largest_difference` of a score, `largest_probability_difference`, `changed`
        choices, `texts` and how many of them have `other_tokens`.
    """
    encoded, given = scorer.encoder.encode(questions), scorer.encoder.contexts.give(questions)
    predictions = scorer.score_encoded(encoded)
    result = {"n": len(questions), "unit": predictions[0].unit}
    differences, moved, changed, texts, other = [0.0], [0.0], 0, 0, 0
    for each, context, prediction in zip(encoded, given, predictions, strict=True):
        shown = replace(each.question, context=context.context)
        found = score(each, scorer.encoder.template.render(shown))
        differences += map(_distance, prediction.scores, found.scores)
        moved += map(_distance, prediction.probabilities, _softmax(found.scores))
        changed += int(np.argmax(found.scores)) != prediction.choice
        texts += len(found.rows)
        other += sum(
            tuple(row) != (*each.prefix, *continuation)
            for row, continuation in zip(found.rows, each.continuations, strict=True)
        )
    return result | {
        "largest_difference": max(differences),
        "largest_probability_difference": max(moved),
        "changed": changed,
        "texts": texts,
        "other_tokens": other,
    }


def _distance(one: float, other: float) -> float:
    distance = abs(one - other)
    return math.inf if math.isnan(distance) else distance


def _softmax(scores: Sequence[float]) -> list[float]:
    return torch.tensor(scores, dtype=torch.float64).softmax(0).tolist()


def by_transformers(model, folder: str) -> Callable:
    """Return how a sequence classification scores a question: a row of text for each option."""
    tokenizer = load_tokenizer(folder)

    def score(encoded, rendered: RenderedQuestion) -> Scored:
        texts = [rendered.prefix + text for text in rendered.continuations]
        batch = tokenizer(texts, padding=True, return_tensors="pt").to(model.device)
        with torch.inference_mode():
            scores = model(**batch).logits[:, 0].float().tolist()
        return Scored(scores, tokenizer(texts)["input_ids"])

    return score


def by_onnxruntime(folder: str) -> Callable:
    """Return how onnxruntime scores a question with what lies beside the graph."""
    try:
        from mcqa.export.onnx_client import Model

        model = Model(folder)
    except ImportError as error:
        raise MissingDependencyError(
            "--check of format onnx needs onnxruntime, which is not installed. "
            "Run: pip install 'mcqa[onnx]'"
        ) from error

    def score(encoded, rendered: RenderedQuestion) -> Scored:
        rows = model.tokens(rendered.prefix, list(rendered.continuations))
        return Scored(model.scores_of_tokens([rows])[0].tolist(), rows)

    return score


def by_llama_cpp(path: Path, scorer: str, max_length: int) -> Callable:
    """Return how llama.cpp scores a question: the log-likelihood of each option's tokens."""
    try:
        from llama_cpp import Llama
    except ImportError as error:
        raise MissingDependencyError(
            "--check of format gguf needs llama-cpp-python, which is not installed. "
            "Run: pip install llama-cpp-python"
        ) from error
    llama = Llama(str(path), n_ctx=max_length, n_batch=max_length, logits_all=True, verbose=False)

    def score(encoded, rendered: RenderedQuestion) -> Scored:
        rows, totals = [], []
        for text, own in zip(rendered.continuations, encoded.continuations, strict=True):
            row = llama.tokenize((rendered.prefix + text).encode(), special=False)
            llama.reset()
            llama.eval(row)
            begins = len(row) - len(own)
            logits = llama.scores[begins - 1 : len(row) - 1].astype(np.float64)
            each = logits[np.arange(len(own)), row[begins:]] - np.logaddexp.reduce(logits, axis=1)
            rows.append(row)
            totals.append(float(each.sum()))
        lengths = LENGTHS[scorer](encoded)
        return Scored([t / length for t, length in zip(totals, lengths, strict=True)], rows)

    return score
