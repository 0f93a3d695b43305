"""The bundled questions: small sets of our own, so that a first try needs no download.

The facts are in tables, and this package turns them into questions. Facts are split, not questions,
and the wrong options of a question are facts from its own side of the split. Otherwise a held-out
answer would be seen in training, and only ever as a wrong one. All choices are made by hashing, so
every machine and Python gives the same questions.
"""

from mcqa.data.bundled.choices import choice_questions
from mcqa.data.bundled.scales import scale_questions
from mcqa.data.bundled.several import several_questions
from mcqa.data.bundled.splits import SPLITS
from mcqa.errors import DataError
from mcqa.question import Question

_MAKERS = {
    "choice": choice_questions,
    "several": several_questions,
    "scale": scale_questions,
}
KINDS = tuple(_MAKERS)


def bundled_questions(split: str, kind: str = "choice") -> list[Question]:
    """Return the questions of one split, in a fixed order that mixes all tables.

    Args:
        split: `train`, `validation` or `test`. No two splits share a fact.
        kind: `choice`, `several` or `scale`.

    Returns:
        Labelled questions. `fact_of` returns from an id what names the fact of a choice or scale;
        questions with several right answers stand on several facts.

    Raises:
        DataError: there is no such split or kind.

    >>> question = next(q for q in bundled_questions("train") if q.id.startswith("symbols/gold"))
    >>> question.answer
    'Au'
    """
    for what, value, allowed in (("split", split, SPLITS), ("kind", kind, KINDS)):
        if value not in allowed:
            raise DataError(
                f"the bundled questions have no {what} {value!r}; choose one of "
                f"{', '.join(allowed)}."
            )
    return _MAKERS[kind](split)


def fact_of(id: str) -> str:
    """Return the fact that a bundled question asks for, from its id: `capitals/france`."""
    return id.rsplit("/", 1)[0]
