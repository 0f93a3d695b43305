"""Questions with several right answers, each option judged by itself, yes or no.

A language model gives the options of one prompt probabilities that compete. Asked of each option
whether it is right, none takes anything from another, and what is learned and scored is a plain
yes-or-no question, by every objective and scorer there is.
"""

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import replace

from mcqa.data.judgements import YES, is_judged, split
from mcqa.data.stored import StoredQuestions
from mcqa.kinds import KINDS
from mcqa.prediction import Prediction, Retrieved
from mcqa.question import Question

__all__ = ["is_judged", "join", "split"]


def split_all(questions: StoredQuestions) -> StoredQuestions:
    """Return what is asked of questions on disk: the same ones, where none is split."""
    if not any(KINDS[name].several for name in questions.kinds):
        return questions
    return StoredQuestions(itertools.chain.from_iterable(map(split, questions)))


def join(
    questions: Iterable[Question], predictions: Sequence[Prediction], threshold: float = 0.5
) -> list[Prediction]:
    """Return the predictions of questions from those of their parts.

    Args:
        questions: what `split` made parts of.
        predictions: of all parts, in order.
        threshold: see `mcqa.kinds.Kind.choose`.

    Returns:
        One prediction a question. Where it was split an option's score is how much more Yes scores
        than No; `tokens` and `truncated` are sums. Answers without scores choose what was said to
        be right, and are unparsed where one of them is.
    """
    rest = iter(predictions)
    return [
        _joined(question, [next(rest) for _ in question.options], threshold)
        if is_judged(question)
        else next(rest)
        for question in questions
    ]


def _joined(question: Question, parts: Sequence[Prediction], threshold: float) -> Prediction:
    first, tokens = parts[0], sum(part.tokens for part in parts)
    if all(part.scores for part in parts):
        scores = [part.scores[YES] - part.scores[1 - YES] for part in parts]
        about = {"unit": first.unit, "scorer": first.scorer, "tokens": tokens}
        joined = Prediction.scored(question, scores, threshold=threshold, **about)
    else:
        choices = [part.choice for part in parts]
        said = tuple(index for index, choice in enumerate(choices) if choice == YES)
        joined = replace(
            first,
            id=question.id,
            kind=question.kind,
            label=question.label,
            targets=question.targets,
            choice=None if None in choices else said,
            tokens=tokens,
            text="\n".join(part.text or "" for part in parts),
            parsed=next((p.parsed for p in parts if p.choice is None), first.parsed),
        )
    truncated = sum(part.truncated for part in parts)
    return replace(joined, truncated=truncated, retrieved=_retrieved(parts))


def _retrieved(parts: Sequence[Prediction]) -> tuple[Retrieved, ...] | None:
    """Return the passages that any part had, each with its best score, best first."""
    if parts[0].retrieved is None:
        return None
    best: dict[str, float] = {}
    for id, score in (passage for part in parts for passage in part.retrieved):
        best[id] = max(score, best.get(id, score))
    return tuple(Retrieved(*pair) for pair in sorted(best.items(), key=lambda pair: -pair[1]))
