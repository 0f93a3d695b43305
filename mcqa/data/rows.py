"""Read the rows of published question sets and of the project's own format.

`is_X` says whether a row looks like X, and never raises. `read_X` reads what is X's own way, given
what number labels count from. The traps: a text beside the question that gives the answer away
becomes the explanation, never the context. And SciQ says nothing of an order: put together as they
come, the right option would always be last, so they are sorted.
"""

from typing import Any

from mcqa.data.answers import is_yes, kind_in, label_for, targets_of
from mcqa.data.fields import (
    Fields,
    Parts,
    as_text,
    missing,
    optional_text,
    parsed,
    readable_text,
    shown,
    text,
    texts,
    whole_number,
)
from mcqa.data.labels import index_label, mark_label, medmcqa_label
from mcqa.errors import DataError
from mcqa.kinds import KINDS
from mcqa.question import LETTERS

MEDMCQA_OPTIONS = ("opa", "opb", "opc", "opd")
DISTRACTORS = ("distractor1", "distractor2", "distractor3")
ENDINGS = ("ending0", "ending1", "ending2", "ending3")
CAPITALS = ("QUESTION", "CONTEXTS", "LONG_ANSWER")  # of PubMedQA's raw release
_DECISIONS = ("yes", "no", "maybe")
MMLU = {"question", "subject", "choices", "answer"}
MMLU_PRO = {"question", "options", "answer_index"}
# The names that a generic field may have.
STEM = ("question", "stem")
OPTIONS = ("options", "choices")
LABEL = ("label", "answer")
CONTEXT = ("context", "state")
MORE = ("subject", "explanation", "state_id")
OF_KIND = ("kind", "targets", "names")
FRENCH = tuple(f"answer_{letter}" for letter in "abcde")


def read_medmcqa(row: Fields, base: int) -> Parts:
    stem, options = text(row, "question"), tuple(text(row, name) for name in MEDMCQA_OPTIONS)
    return Parts(stem, options, medmcqa_label(row.get("cop"), base))


def is_arc(row: Fields) -> bool:
    choices = row.get("choices")
    return (
        ("choices" in row and "answerKey" in row)
        or isinstance(row.get("question"), dict)
        or isinstance(choices, dict)
        or (isinstance(choices, list) and bool(choices) and isinstance(choices[0], dict))
    )


def read_arc(row: Fields, base: int) -> Parts:
    question = row.get("question")
    if isinstance(question, dict):
        stem, choices = text(question, "stem", "question."), question.get("choices")
    else:
        stem = text(row, "question_stem" if "question_stem" in row else "question")
        choices = row.get("choices")
    marks, options = _marked(_as_list(choices), "choices", "label", "text")
    label = mark_label(row.get("answerKey"), marks, "answerKey")
    return Parts(stem, options, label, kind=kind_in(row))


def _as_list(choices: Any) -> Any:
    """Return Hub choices, which are two lists, as the raw release has them: a list of objects."""
    if not isinstance(choices, dict):
        return choices
    labels, found = choices.get("label"), choices.get("text")
    if not isinstance(labels, list) or not isinstance(found, list) or len(labels) != len(found):
        raise DataError(
            "'choices' must hold two lists of one length, 'label' and 'text', "
            f"got {shown(choices)}."
        )
    return [{"label": mark, "text": option} for mark, option in zip(labels, found, strict=True)]


def _marked(choices: Any, field: str, mark: str, option: str) -> tuple[list[str], tuple[str, ...]]:
    """Return marks and texts of a list of objects that have both."""
    if not (isinstance(choices, list) and choices and all(isinstance(c, dict) for c in choices)):
        raise DataError(
            f"{field!r} must be a list of objects with {mark!r} and {option!r}, or an object of "
            f"two lists, got {shown(choices)}."
        )
    marks = [text(choice, mark, f"{field}.") for choice in choices]
    if len(set(marks)) < len(marks):
        raise DataError(f"two choices have one label ({', '.join(marks)}).")
    return marks, tuple(text(choice, option, f"{field}.") for choice in choices)


def read_mmlu(row: Fields, base: int) -> Parts:
    """The release has letters, the copy on the Hub indexes."""
    options, answer = texts(row, "choices"), row.get("answer")
    if isinstance(answer, str | list):
        label = mark_label(answer, LETTERS[: len(options)], "answer")
    else:
        label = index_label(answer, len(options), "answer")
    return Parts(text(row, "question"), options, label)


def is_medqa(row: Fields) -> bool:
    options = row.get("options")
    return isinstance(options, dict) or (isinstance(options, list) and "answer_idx" in row)


def read_medqa(row: Fields, base: int) -> Parts:
    options = row.get("options")
    if isinstance(options, dict):
        options = [{"key": mark, "value": option} for mark, option in options.items()]
    marks, options = _marked(options, "options", "key", "value")
    label = mark_label(row.get("answer_idx"), marks, "answer_idx")
    answer = optional_text(row, "answer")
    if answer and isinstance(label, int) and answer not in (options[label], marks[label]):
        raise DataError(
            f"'answer_idx' means {options[label]!r}, but 'answer' is {shown(answer)}. "
            "Correct one, or leave 'answer' out."
        )
    return Parts(text(row, "question"), options, label, kind=kind_in(row))


def read_mmlu_pro(row: Fields, base: int) -> Parts:
    options, letter = texts(row, "options"), row.get("answer")
    label = index_label(row.get("answer_index"), len(options), "answer_index")
    marked = mark_label(letter, LETTERS[: len(options)], "answer")
    if None not in (label, marked) and label != marked:
        raise DataError(
            f"'answer_index' means {options[label]!r}, but 'answer' is {shown(letter)}. "
            "Correct one, or leave 'answer' out."
        )
    return Parts(text(row, "question"), options, label)


def is_frenchmedmcqa(row: Fields) -> bool:
    raw = isinstance(row.get("answers"), dict) and "correct_answers" in row
    return raw or (FRENCH[0] in row and FRENCH[1] in row)


def read_frenchmedmcqa(row: Fields, base: int) -> Parts:
    """The release has its options in an object; the Hub's labels may be indexes, not letters."""
    answers = row.get("answers")
    if not isinstance(answers, dict):
        answers = {name.removeprefix("answer_"): row[name] for name in FRENCH if name in row}
    marks = [mark for mark, answer in answers.items() if not missing(answer)]
    options = tuple(as_text(answers[mark], f"answer {mark}") for mark in marks)
    right = parsed(row.get("correct_answers"))
    if isinstance(right, list):
        letters = dict(enumerate("abcde"))
        right = [letters.get(whole_number(one), one) for one in right]
    label = mark_label(right or None, marks, "correct_answers")
    return Parts(text(row, "question"), options, label, kind="several")


def is_boolq(row: Fields) -> bool:
    return "question" in row and "passage" in row and not {*OPTIONS, "kind"} & row.keys()


def read_boolq(row: Fields, base: int) -> Parts:
    """The release says true or false, the copy in SuperGLUE 1 or 0."""
    name = "label" if "label" in row else "answer"
    value = row.get(name)
    number = whole_number(value)
    yes = is_yes(value) if number is None else bool(number)
    if number not in (None, 0, 1, -1) or (yes is None and not missing(value)):
        raise DataError(f"{name!r} is {shown(value)}; expected true, false or null.")
    label = None if yes is None or number == -1 else int(not yes)
    return Parts(text(row, "question"), (), label, text(row, "passage"), kind="yes_no")


def read_swag(row: Fields, base: int) -> Parts:
    stem = optional_text(row, "startphrase")
    if stem is None:
        stem = " ".join(filter(None, (text(row, "sent1"), optional_text(row, "sent2"))))
    options = tuple(text(row, name) for name in ENDINGS)
    return Parts(stem, options, index_label(row.get("label"), 4, "label"))


def read_hellaswag(row: Fields, base: int) -> Parts:
    options = texts(row, "endings")
    label = index_label(row.get("label"), len(options), "label")
    return Parts(text(row, "ctx"), options, label)


def read_race(row: Fields, base: int) -> Parts:
    options = texts(row, "options")
    label = mark_label(row.get("answer"), LETTERS[: len(options)], "answer")
    return Parts(text(row, "question"), options, label, text(row, "article"))


def read_sciq(row: Fields, base: int) -> Parts:
    wrong = [text(row, name) for name in DISTRACTORS]
    right = optional_text(row, "correct_answer")
    if right is None:
        raise DataError("'correct_answer' is missing, and with it one of the options.")
    if right in wrong:
        raise DataError(f"'correct_answer' {shown(right)} is also a distractor.")
    options = tuple(sorted([right, *wrong]))
    return Parts(text(row, "question"), options, options.index(right))


def is_pubmedqa(row: Fields) -> bool:
    on_hub = "final_decision" in row or "pubid" in row
    context = row.get("context")
    return "CONTEXTS" in row or (on_hub and isinstance(context, dict) and "contexts" in context)


def read_pubmedqa(row: Fields, base: int) -> Parts:
    """Read a row of the raw release, whose names are in capitals, or of the Hub."""
    raw = "CONTEXTS" in row
    context = row if raw else row.get("context")
    if not isinstance(context, dict):
        raise DataError(f"'context' must be an object with 'contexts', got {shown(context)}.")
    passages = texts(context, "CONTEXTS" if raw else "contexts")
    label = mark_label(row.get("final_decision"), _DECISIONS, "final_decision")
    return Parts(
        stem=text(row, "QUESTION" if raw else "question"),
        options=_DECISIONS,
        label=label,
        context="\n".join(passages) or None,
        explanation=optional_text(row, "LONG_ANSWER" if raw else "long_answer"),
    )


def is_generic(row: Fields) -> bool:
    """Return whether a row has options and a question."""
    named = any(name in row for name in OPTIONS) or ("A" in row and "B" in row)
    return (named or _fixed(row)) and any(name in row for name in STEM)


def _fixed(row: Fields) -> bool:
    """Return whether a row's kind says what its options are."""
    kind = row.get("kind")
    return isinstance(kind, str) and kind in KINDS and bool(KINDS[kind].options)


def read_generic(row: Fields, base: int) -> Parts:
    """Read question, options as a list or as columns A, B, ..., label, and what a kind adds."""
    kind, name = kind_in(row), _alias(row, LABEL)
    if name is None and "targets" not in row:
        raise DataError(
            "the field 'label' is missing; it may be null or empty where the answer is not known."
        )
    stem = text(row, _alias(row, STEM) or "question")
    options = () if _has_none(row) and _fixed(row) else _options(row)
    names = None if missing(row.get("names")) else _listed(row, "names")
    context = _alias(row, CONTEXT)
    return Parts(
        stem,
        options,
        None if name is None else label_for(kind, row[name], options, base),
        None if missing(row.get(context)) else readable_text(row[context], context),
        kind=kind,
        targets=targets_of(row.get("targets"), names or options),
        names=names,
    )


def _alias(row: Fields, names: tuple[str, ...]) -> str | None:
    """Return which of the names the row uses, or None; two at once could contradict."""
    used = [name for name in names if name in row]
    if len(used) > 1:
        raise DataError(f"the fields {' and '.join(map(repr, used))} mean the same; keep one.")
    return next(iter(used), None)


def _options(row: Fields) -> tuple[str, ...]:
    name = _alias(row, OPTIONS)
    columns = [letter for letter in LETTERS if letter in row]
    if name is None:
        return _lettered(row, columns)
    if columns[:2] == ["A", "B"]:
        raise DataError(f"the options stand in {name!r} and in the columns A, B, ...; keep one.")
    return _listed(row, name)


def _has_none(row: Fields) -> bool:
    return all(missing(row.get(name)) for name in (*OPTIONS, *LETTERS))


def _listed(row: Fields, name: str) -> tuple[str, ...]:
    values = parsed(row[name])
    if not isinstance(values, list):
        raise DataError(
            f"{name!r} must be a list of texts (in a CSV cell a JSON list, "
            f'["yes", "no"]), got {shown(values)}.'
        )
    return tuple(as_text(value, name) for value in values)


def _lettered(row: Fields, columns: list[str]) -> tuple[str, ...]:
    """Return the options in the fields A, B, C, ...; empty ones at the end are no options."""
    if columns != list(LETTERS[: len(columns)]) or len(columns) < 2:
        raise DataError(
            f"no field 'options', and the option columns are {', '.join(columns) or 'none'}; "
            "expected 'options', or A, B, ... without a gap."
        )
    while columns and missing(row[columns[-1]]):
        columns.pop()
    return tuple(text(row, column) for column in columns)
