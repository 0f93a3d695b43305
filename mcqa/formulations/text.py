"""Score options by their text's log-likelihood: for every model that has an LM head.

`text` sums the log-probabilities of an option's tokens, which favours short options; `text-mean`
divides by their number. Neither counts an end-of-sequence token.
"""

import functools
from collections.abc import Sequence

from heads.branching import pack
from heads.likelihood import option_log_likelihoods
from mcqa.encoding import EncodedQuestion
from mcqa.evaluation.predictions import Prediction


def _score_text(
    model, tokenizer, batch: Sequence[EncodedQuestion], *, scorer: str, per_token: bool
) -> list[Prediction]:
    packed = pack([e.prefix for e in batch], [e.continuations for e in batch])
    totals_BO = option_log_likelihoods(model, packed.to(model.device)).tolist()
    predictions = []
    for encoded, totals in zip(batch, totals_BO, strict=True):
        lengths = [len(tokens) if per_token else 1 for tokens in encoded.continuations]
        scores = [total / n for total, n in zip(totals, lengths, strict=False)]
        predictions.append(
            Prediction.scored(
                encoded.question, scores, unit="nats", scorer=scorer, tokens=encoded.tokens
            )
        )
    return predictions


TEXT_SCORERS = {
    "text": functools.partial(_score_text, scorer="text", per_token=False),
    "text-mean": functools.partial(_score_text, scorer="text-mean", per_token=True),
}
