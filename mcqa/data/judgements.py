"""What is asked of a question with several right answers: of each option, whether it is right.

Such a part is a plain yes-or-no question. The trap: it has another stem and id than the question it
is of, so whoever keeps a question apart from its like must ask for `whole_stem`.
"""

from dataclasses import replace

from mcqa.kinds import KINDS
from mcqa.question import Question

YES = 0  # of a yes-or-no question's options
PROPOSED, IS_RIGHT = "\nProposed answer: ", "\nIs it right?"


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
        stem=f"{question.stem}{PROPOSED}{question.options[index]}{IS_RIGHT}",
        kind="yes_no",
        options=KINDS["yes_no"].options,
        names=None,
        label=None if label is None else int(index not in label),
        targets=None if targets is None else (targets[index], 1 - targets[index]),
        state_id=question.state_id or question.id,
    )


def whole_stem(question: Question) -> str:
    """Return the stem of the question that this is a part of, or its own.

    >>> even = Question(stem="Which are even?", options=("1", "2"), kind="several")
    >>> {whole_stem(part) for part in [even, *split(even)]}
    {'Which are even?'}
    """
    return question.stem.partition(PROPOSED)[0] or question.stem


def asked_texts(question: Question) -> tuple[str, ...]:
    """Return what a question is about: its stem and options, but no word that only asks.

    >>> asked_texts(Question(stem="Is 7 prime?", kind="yes_no"))
    ('Is 7 prime?',)
    """
    stem, proposes, proposed = question.stem.partition(PROPOSED)
    told = (stem, proposed.removesuffix(IS_RIGHT)) if proposes else (stem,)
    return told if question.options == KINDS[question.kind].options else told + question.options
