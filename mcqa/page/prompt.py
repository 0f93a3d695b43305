"""What a model sees of a question: its tokens, and what each is worth to it."""

from collections.abc import Sequence
from typing import NamedTuple

import torch

from heads.branching import pack
from heads.likelihood import option_token_log_probabilities
from mcqa.formulations.judged import is_judged, split
from mcqa.formulations.likelihoods import TEXT_SCORERS
from mcqa.prediction import Prediction
from mcqa.prompting.encoding import EncodedQuestion
from mcqa.question import MARKS, Question
from mcqa.scoring.scorer import Scorer

PROMPT_ALONE = ("letter", "generate")  # scorers that look at, or write, what follows the prompt


class Seen(NamedTuple):
    """Hold the texts of the tokens that all options share, and of those of each option.

    There are none of these where the model reads the prompt alone. `of` is the letter of the option
    that is asked about by itself, empty for a whole question.
    """

    prefix: list[str]
    continuations: list[list[str]]
    of: str


def see(scorer: Scorer, question: Question) -> list[tuple[Seen, EncodedQuestion]]:
    """Return what the model sees of a question, as texts and as it is encoded.

    That is one prompt, or one for each option where these are judged by themselves.
    """
    parts, letters, encoder = [question], [""], scorer.encoder
    if scorer.split and is_judged(question):
        parts, letters, encoder = split(question), question.letters, encoder.holding_out([question])
    return [
        (_texts(scorer, encoded, letter), encoded)
        for encoded, letter in zip(encoder.encode(parts), letters, strict=True)
    ]


def _texts(scorer: Scorer, encoded: EncodedQuestion, of: str) -> Seen:
    prefix, options = encoded.prefix, encoded.continuations
    if scorer.name in PROMPT_ALONE:
        prefix, options = encoded.prompt, ()
    texts = [pieces(scorer.tokenizer, tokens) for tokens in options]
    return Seen(pieces(scorer.tokenizer, prefix), texts, of)


def pieces(tokenizer, ids: Sequence[int]) -> list[str]:
    """Return each token's text; the vocabulary's own writing where a token is part of a letter."""
    texts = [tokenizer.decode([id]) for id in ids]
    written = tokenizer.convert_ids_to_tokens(list(ids))
    return [raw if "\ufffd" in text else text for text, raw in zip(texts, written, strict=True)]


def token_values(scorer: Scorer, encoded: EncodedQuestion) -> list[list[float]] | None:
    """Return each option's log-likelihood token by token, in nats; None where no scorer of texts.

    Their sum is the option's score by `text`. Options are laid out as in scoring, by their tokens.
    """
    if scorer.name not in TEXT_SCORERS:
        return None
    ordered = sorted(encoded.continuations)
    packed = pack([encoded.prefix], [ordered]).to(scorer.model.device)
    with torch.inference_mode():
        each, owner = option_token_log_probabilities(scorer.model, packed)
    of_place = [each[owner == place].tolist() for place in range(len(ordered))]
    return [of_place[ordered.index(tokens)] for tokens in encoded.continuations]


def token_rows(seen: Seen, values: Sequence[Sequence[float]]) -> list[list[str]]:
    """Return a row per token of each option: option, token, log-likelihood."""
    rows = []
    for letter, tokens, worth in zip(MARKS, seen.continuations, values, strict=False):
        pairs = zip(tokens, worth, strict=True)
        rows += [[letter, repr(token), f"{value:.3f}"] for token, value in pairs]
        rows.append([letter, "all", f"{sum(worth):.3f}"])
    return rows


def passage_rows(scorer: Scorer, prediction: Prediction) -> list[list[str]]:
    """Return a row per passage that was the question's context: its id, its match, its text."""
    index = scorer.encoder.contexts.index
    texts = {passage.id: passage.text for passage in index.passages} if index else {}
    found = prediction.retrieved or ()
    return [[each.id, f"{each.score:.2f}", texts.get(each.id, "")] for each in found]
