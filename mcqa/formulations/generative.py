"""Generative: a prompt, an answer. Trained on the answer's tokens; answers by likelihood, by the
next letter, or by decoding.

A score is a log-probability in nats. `text` sums it over the option's tokens, which favours short
options; `text-mean` divides by their number. Neither counts an end-of-sequence token, which
training adds so that decoding learns to stop.
"""

import functools
from collections.abc import Sequence

import torch

from heads.branching import pack
from heads.likelihood import add_completion_loss, next_token_log_probabilities
from mcqa.backbones import load_weights
from mcqa.encoding import EncodedQuestion
from mcqa.errors import ConfigError
from mcqa.evaluation.predictions import Prediction
from mcqa.formulations.text import TEXT_SCORERS
from mcqa.parsing import parse_answer

NAME = "generative"
HEAD = None
SETTINGS = ()
DEFAULT_SCORER = "text-mean"
TEMPLATES = {"text": "cloze", "text-mean": "cloze", "letter": "lettered", "generate": "lettered"}
MAX_NEW_TOKENS = 64
IGNORED = -100


def head_settings(tokenizer) -> None:
    """Return None: there is no head to set."""


def available_scorers(head: None) -> tuple[str, ...]:
    """Return the names of all scorers; every causal LM has an LM head."""
    return tuple(SCORERS)


def load_backbone(path: str, *, head: None = None, **settings):
    """Load a causal LM; see `mcqa.backbones.load_weights`."""
    from transformers import AutoModelForCausalLM

    return load_weights(AutoModelForCausalLM, path, **settings)


prepare_for_training = add_completion_loss


def training_example(encoded: EncodedQuestion, tokenizer) -> dict:
    """Return prompt, right answer and end-of-sequence, with labels on the last two."""
    completion = [*encoded.continuations[encoded.question.label], tokenizer.eos_token_id]
    return {
        "input_ids": [*encoded.prefix, *completion],
        "labels": [IGNORED] * len(encoded.prefix) + completion,
        "length": len(encoded.prefix) + len(completion),
    }


def collate(examples: Sequence[dict], pad_token_id: int) -> dict[str, torch.Tensor]:
    """Stack training examples into right-padded (B, T) tensors."""
    rows = [example["input_ids"] for example in examples]
    batch = pack(rows, [[()]] * len(rows), pad_token_id)
    labels = torch.full_like(batch.input_ids, IGNORED)
    for row, example in zip(labels, examples, strict=True):
        row[: example["length"]] = torch.tensor(example["labels"])
    return {"input_ids": batch.input_ids, "branch_ids": batch.branch_ids, "labels": labels}


def _score_letter(model, tokenizer, batch: Sequence[EncodedQuestion]) -> list[Prediction]:
    """Score each letter as the next token, written "A" or " A": the sum of both."""
    packed = pack([e.prefix for e in batch], [[()]] * len(batch))
    log_probabilities_BV = next_token_log_probabilities(model, packed.to(model.device))
    predictions = []
    for encoded, log_probabilities in zip(batch, log_probabilities_BV, strict=True):
        scores = [
            log_probabilities[_letter_tokens(tokenizer, letter)].logsumexp(0).item()
            for letter in encoded.question.letters
        ]
        predictions.append(
            Prediction.scored(
                encoded.question, scores, unit="nats", scorer="letter", tokens=len(encoded.prefix)
            )
        )
    return predictions


@functools.cache
def _letter_tokens(tokenizer, letter: str) -> list[int]:
    variants = tokenizer([letter, f" {letter}"], add_special_tokens=False)["input_ids"]
    single = sorted({ids[0] for ids in variants if len(ids) == 1})
    if not single:
        raise ConfigError(
            f"scorer 'letter': the tokenizer has no single token for {letter!r}; use 'text'."
        )
    return single


def _generate(model, tokenizer, batch: Sequence[EncodedQuestion]) -> list[Prediction]:
    """Decode greedily up to the end of the first line and read the answer."""
    inputs = tokenizer.pad(
        {"input_ids": [list(e.prefix) for e in batch]}, padding_side="left", return_tensors="pt"
    ).to(model.device)
    output = model.generate(
        **inputs,
        do_sample=False,
        max_new_tokens=MAX_NEW_TOKENS,
        stop_strings=["\n"],
        tokenizer=tokenizer,
        pad_token_id=tokenizer.pad_token_id,
    )
    predictions = []
    for encoded, tokens in zip(batch, output[:, inputs["input_ids"].shape[1] :], strict=True):
        text = tokenizer.decode(tokens, skip_special_tokens=True)
        choice, how = parse_answer(text, encoded.question)
        predictions.append(
            Prediction(
                id=encoded.question.id,
                label=encoded.question.label,
                choice=choice,
                scores=None,
                probabilities=None,
                unit=None,
                scorer="generate",
                tokens=len(encoded.prefix) + int((tokens != tokenizer.pad_token_id).sum()),
                text=text,
                parsed=how,
            )
        )
    return predictions


SCORERS = {
    **TEXT_SCORERS,
    "letter": _score_letter,
    "generate": _generate,
}
