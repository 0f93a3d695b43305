"""The one thing everybody passes around: a question with options, of one of four kinds."""

import hashlib
import itertools
import math
import numbers
import string
from collections.abc import Sequence
from dataclasses import dataclass

from mcqa.errors import QuestionError
from mcqa.kinds import KINDS, Label

LETTERS = string.ascii_uppercase
MOST_OPTIONS = 255
MARKS = tuple(
    itertools.islice(
        itertools.chain(LETTERS, map("".join, itertools.product(LETTERS, repeat=2))), MOST_OPTIONS
    )
)
"""The options' display marks: A to Z, then AA, AB and so on, as a spreadsheet's columns."""


@dataclass(frozen=True, kw_only=True)
class Question:
    """Hold one question, its options and, where it is known, its answer.

    Args:
        stem: the question's text, not blank.
        options: 2 to 255 candidate answers, none blank, in display order; of a scale from the
            lowest level to the highest; of `yes_no` the two that say yes and no, by default these.
        label: 0-based index of the right option; for the kind `several` those of all right ones, in
            any order, which may be none; None where it is not known. Integers of numpy's are
            taken, and kept as Python's.
        kind: `choice`, `yes_no`, `scale` or `several`: see `mcqa.kinds`.
        targets: a probability for each option, such as the share of people who chose it: what is
            learned in place of the label. They sum to 1, but for `several`.
        id: a name that is unique in its data set; by default a hash of stem and options.
        context: a passage to read before the stem; what is no text is written as YAML.
        subject: what the question is about, for results per subject.
        explanation: why the answer is right. It gives the answer away, so that no prompt has it
            unless that is asked for; see `mcqa.retrieval.contexts`.
        names: what a caller calls the options, where it is not what the model reads.
        state_id: the same for questions that are asked on one context.

    Raises:
        QuestionError: a field is missing, blank, or out of range, or does not go with the kind.

    >>> question = Question(stem="2 + 2 = ?", options=("3", "4"), label=1)
    >>> question.answer, question.letters
    ('4', ('A', 'B'))
    >>> Question(stem="Is 7 prime?", kind="yes_no", label=0).answer
    'Yes'
    """

    stem: str
    options: tuple[str, ...] = ()
    label: Label = None
    kind: str = "choice"
    targets: tuple[float, ...] | None = None
    id: str = ""
    context: str | None = None
    subject: str | None = None
    explanation: str | None = None
    names: tuple[str, ...] | None = None
    state_id: str | None = None

    def __post_init__(self):
        if self.kind not in KINDS:
            raise self._fault(f"kind is {self.kind!r}; it must be {', '.join(KINDS)}.")
        if isinstance(self.options, str):
            raise self._fault("options must be a list of texts, got one text.")
        self._set(options=tuple(self.options) or KINDS[self.kind].options)
        self._check_texts()
        self._set(label=self._checked_label(), targets=self._checked_targets())
        if self.context is not None and not isinstance(self.context, str):
            self._set(context=readable(self.context))
        if not self.id:
            content = "\x1f".join((self.stem, *self.options)).encode()
            self._set(id=hashlib.sha256(content).hexdigest()[:16])

    def _set(self, **fields) -> None:
        for name, value in fields.items():
            object.__setattr__(self, name, value)

    def _fault(self, text: str) -> QuestionError:
        name = self.id or str(self.stem)[:40]
        return QuestionError(f"question {name!r}: {text}")

    def _check_texts(self) -> None:
        if not isinstance(self.stem, str) or not self.stem.strip():
            raise self._fault("the stem must be a text that is not blank.")
        most = 2 if self.kind == "yes_no" else MOST_OPTIONS
        if not 2 <= len(self.options) <= most:
            wanted = "2" if most == 2 else f"2 to {most}"
            raise self._fault(f"{len(self.options)} options; a question has {wanted}.")
        for letter, option in zip(MARKS, self.options, strict=False):
            if not isinstance(option, str) or not option.strip():
                raise self._fault(f"option {letter} is {option!r}; an option is a text, not blank.")
        if self.names is not None:
            self._set(names=tuple(self.names))
            if len(set(self.names)) != len(self.options):
                raise self._fault("names must be different texts, one for each option.")

    def _checked_label(self) -> Label:
        if self.label is None:
            return None
        if not KINDS[self.kind].several:
            return self._checked_index(self.label)
        if isinstance(self.label, str) or not isinstance(self.label, Sequence | set | frozenset):
            raise self._fault(f"label {self.label!r} must be a list of integers or None.")
        return tuple(sorted({self._checked_index(index) for index in self.label}))

    def _checked_index(self, index) -> int:
        if isinstance(index, bool) or not isinstance(index, numbers.Integral):
            raise self._fault(f"label {index!r} must be an integer or None.")
        if not 0 <= index < len(self.options):
            raise self._fault(
                f"label {index} is out of range for {len(self.options)} options "
                f"(0 to {len(self.options) - 1})."
            )
        return int(index)

    def _checked_targets(self) -> tuple[float, ...] | None:
        if self.targets is None:
            return None
        targets = tuple(map(float, self.targets))
        if len(targets) != len(self.options) or not all(0 <= value <= 1 for value in targets):
            raise self._fault(
                f"targets are {list(targets)}; there must be a number from 0 to 1 for each of the "
                f"{len(self.options)} options."
            )
        if not KINDS[self.kind].several and not math.isclose(sum(targets), 1, abs_tol=1e-4):
            raise self._fault(f"targets sum to {sum(targets):g}; they must sum to 1.")
        return targets

    @property
    def letters(self) -> tuple[str, ...]:
        """The display marks of the options, A to D for four."""
        return MARKS[: len(self.options)]

    @property
    def answer(self) -> str | tuple[str, ...] | None:
        """The text of the right option, or of each right option; None where it is not known."""
        if isinstance(self.label, tuple):
            return tuple(self.options[index] for index in self.label)
        return None if self.label is None else self.options[self.label]


def readable(value) -> str:
    """Return JSON as the YAML that a context shows: one line a field, in the order given.

    >>> print(readable({"order": 7, "items": ["pen", "ink"]}))
    order: 7
    items:
    - pen
    - ink
    """
    import yaml

    return yaml.safe_dump(value, allow_unicode=True, sort_keys=False, width=math.inf).rstrip("\n")
