"""Scorers of the generative formulation that read the model's probabilities; scores in nats.

docs/generative.md has the table of them. None of them counts an end-of-sequence token.
"""

import functools
from collections.abc import Sequence

from heads.branching import pack
from heads.likelihood import next_token_log_probabilities, option_log_likelihoods
from mcqa.errors import ConfigError
from mcqa.formulations.layout import score_in_order
from mcqa.prediction import Prediction
from mcqa.prompting.encoding import EncodedQuestion
from mcqa.question import LETTERS

# What an option's summed log-probability is divided by.
LENGTHS = {
    "text": lambda encoded: [1] * len(encoded.continuations),
    "text-mean": lambda encoded: map(len, encoded.continuations),
    "text-char": lambda encoded: encoded.characters,
}


def _totals(model, prefixes, batch: Sequence[EncodedQuestion]) -> list[list[float]]:
    """Return each option's summed log-probability behind a prefix, question by question."""
    return score_in_order(
        lambda packed: option_log_likelihoods(model, packed.to(model.device)), prefixes, batch
    )


def predictions(batch, scores, scorer: str, tokens, unit: str = "nats") -> list[Prediction]:
    """Return the predictions of a batch by its scores and the tokens that they took."""
    return [
        Prediction.scored(e.question, s, unit=unit, scorer=scorer, tokens=n)
        for e, s, n in zip(batch, scores, tokens, strict=True)
    ]


def _score_text(scorer: str, model, tokenizer, batch: Sequence[EncodedQuestion]):
    """Score each option by its log-probability, by the length that the scorer divides it by."""
    totals = _totals(model, [e.prefix for e in batch], batch)
    scores = [
        [total / length for total, length in zip(row, LENGTHS[scorer](e), strict=True)]
        for row, e in zip(totals, batch, strict=True)
    ]
    return predictions(batch, scores, scorer, [e.tokens for e in batch])


def score_pmi(model, tokenizer, batch: Sequence[EncodedQuestion]) -> list[Prediction]:
    """Score each option by how much the question raises its log-probability.

    The second pass, behind the neutral prefix, counts as computed tokens too.

    Source: Holtzman et al. (2021), Surface form competition, arXiv 2104.08315, equation 3.
    """
    totals = _totals(model, [e.prefix for e in batch], batch)
    neutral = _totals(model, [e.neutral for e in batch], batch)
    scores = [
        [total - base for total, base in zip(*pair, strict=True)]
        for pair in zip(totals, neutral, strict=True)
    ]
    tokens = [2 * e.tokens - len(e.prefix) + len(e.neutral) for e in batch]
    return predictions(batch, scores, "pmi", tokens)


TEXT_SCORERS = {name: functools.partial(_score_text, name) for name in LENGTHS}
TEXT_SCORERS["pmi"] = score_pmi


def check_letters(scorer: str, batch: Sequence[EncodedQuestion]) -> None:
    """Raise a `ConfigError` where a question has more options than the alphabet has letters."""
    for question in (encoded.question for encoded in batch):
        if len(question.options) > len(LETTERS):
            raise ConfigError(
                f"question {question.id!r}: scorer {scorer!r} takes up to {len(LETTERS)} options, "
                f"and it has {len(question.options)}; use 'text' or 'text-mean', which take any "
                "number."
            )


def score_letter(model, tokenizer, batch: Sequence[EncodedQuestion]) -> list[Prediction]:
    """Score each option by its letter as the next token: p("A") + p(" A")."""
    check_letters("letter", batch)
    packed = pack([e.prompt for e in batch], [[()]] * len(batch))
    log_probabilities_BV = next_token_log_probabilities(model, packed.to(model.device))
    scores = [
        [row[list(variants)].logsumexp(0).item() for variants in _letter_tokens(e)]
        for e, row in zip(batch, log_probabilities_BV, strict=True)
    ]
    return predictions(batch, scores, "letter", [len(e.prompt) for e in batch])


def _letter_tokens(encoded: EncodedQuestion) -> tuple[tuple[int, ...], ...]:
    letters = encoded.question.letters
    known = encoded.letters[: len(letters)]
    if not all(known):
        raise ConfigError(
            "scorer 'letter': the tokenizer has no single token for "
            f"{letters[known.index(())]!r}; use 'text'."
        )
    return known
