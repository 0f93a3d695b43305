"""The one thing everybody passes around: a multiple-choice question."""

import hashlib
import numbers
from dataclasses import dataclass

from mcqa.errors import QuestionError

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


@dataclass(frozen=True, kw_only=True)
class Question:
    """Hold one question, its options and, where it is known, its answer.

    Args:
        stem: the question's text, not blank.
        options: 2 to 26 candidate answers, none blank, in display order.
        label: 0-based index of the right option, or None where it is not known.
        id: a name that is unique in its data set; by default a hash of stem and options.
        context: a passage to read before the stem.
        subject: what the question is about, for results per subject.
        explanation: why the answer is right. It gives the answer away, so that no prompt has it
            unless that is asked for; see `mcqa.retrieval.contexts`.

    Raises:
        QuestionError: a field is missing, blank, or out of range.

    >>> question = Question(stem="2 + 2 = ?", options=("3", "4"), label=1)
    >>> question.answer, question.letters
    ('4', 'AB')
    """

    stem: str
    options: tuple[str, ...]
    label: int | None = None
    id: str = ""
    context: str | None = None
    subject: str | None = None
    explanation: str | None = None

    def __post_init__(self):
        if isinstance(self.options, str):
            raise QuestionError(f"{self._name()}: options must be a list of texts, got one text.")
        object.__setattr__(self, "options", tuple(self.options))
        self._check()
        if not self.id:
            content = "\x1f".join((self.stem, *self.options)).encode()
            object.__setattr__(self, "id", hashlib.sha256(content).hexdigest()[:16])

    def _name(self) -> str:
        return f"question {self.id!r}" if self.id else f"question {str(self.stem)[:40]!r}"

    def _check(self) -> None:
        name = self._name()
        if not isinstance(self.stem, str) or not self.stem.strip():
            raise QuestionError(f"{name}: the stem must be a text that is not blank.")
        if not 2 <= len(self.options) <= len(LETTERS):
            raise QuestionError(
                f"{name}: {len(self.options)} options; a question has 2 to {len(LETTERS)}."
            )
        for letter, option in zip(LETTERS, self.options, strict=False):
            if not isinstance(option, str) or not option.strip():
                raise QuestionError(
                    f"{name}: option {letter} is {option!r}; an option is a text, not blank."
                )
        if self.label is None:
            return
        if isinstance(self.label, bool) or not isinstance(self.label, numbers.Integral):
            raise QuestionError(f"{name}: label {self.label!r} must be an integer or None.")
        object.__setattr__(self, "label", int(self.label))
        if not 0 <= self.label < len(self.options):
            raise QuestionError(
                f"{name}: label {self.label} is out of range for {len(self.options)} options "
                f"(0 to {len(self.options) - 1})."
            )

    @property
    def letters(self) -> str:
        """The display marks of the options, `"ABCD"` for four."""
        return LETTERS[: len(self.options)]

    @property
    def answer(self) -> str | None:
        """The text of the right option, or None where it is not known."""
        return None if self.label is None else self.options[self.label]
