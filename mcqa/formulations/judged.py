"""Questions with several right answers, each option judged by itself, yes or no.

A language model gives the options of one prompt probabilities that compete. Asked of each option
whether it is right, none takes anything from another, and what is learned and scored is a plain
yes-or-no question, by every objective and scorer there is.
"""

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import replace

from mcqa.data.stored import StoredQuestions
from mcqa.kinds import KINDS
from mcqa.prediction import Prediction
from mcqa.question import Question

YES = 0  # of a yes-or-no question's options


def is_judged(question: Question) -> bool:
    """Say whether a question is split, for any number of its options may be right."""
    return KINDS[question.kind].several


def split(question: Question) -> list[Question]:
    """Return what is asked of a question: itself, or whether each of its options is right.

    >>> even = Question(stem="Which are even?", options=("1", "2"), label=[1], kind="several")
    >>> for part in split(even):
    ...     print(part.stem.splitlines(), part.answer)
    ['Which are even?', 'Proposed answer: 1', 'Is it right?'] No
    ['Which are even?', 'Proposed answer: 2', 'Is it right?'] Yes
    """
    if not is_judged(question):
        return [question]
    return [_judgement(question, index) for index in range(len(question.options))]


def _judgement(question: Question, index: int) -> Question:
    label, targets = question.label, question.targets
    return replace(
        question,
        id=f"{question.id}#{question.letters[index]}",
        stem=f"{question.stem}\nProposed answer: {question.options[index]}\nIs it right?",
        kind="yes_no",
        options=KINDS["yes_no"].options,
        names=None,
        label=None if label is None else int(index not in label),
        targets=None if targets is None else (targets[index], 1 - targets[index]),
        state_id=question.state_id or question.id,
    )


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
    return replace(joined, truncated=truncated, retrieved=first.retrieved)
