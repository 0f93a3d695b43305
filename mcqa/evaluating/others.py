"""Read what other evaluators answered: lm-evaluation-harness, inspect_ai, a CSV file; and our own.

    samples_TASK_DATE.jsonl    lm-evaluation-harness with --log_samples
    LOG.eval, LOG.json         inspect_ai
    ANSWERS.csv                id, and choice or probabilities; label where it is known
    predictions.jsonl          mcqa

The trap: ids are mere row numbers in some of these files, and options stand in another order. So
what was asked is read too, where a file has it, and `mcqa.evaluating.matching` goes by that.
"""

import csv
import json
import math
import re
import struct
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from mcqa.data.files import Row, Table
from mcqa.data.reader import QuestionReader, Settings
from mcqa.errors import DataError, McqaError
from mcqa.evaluating.folder import QUESTIONS
from mcqa.kinds import KINDS
from mcqa.prediction import UNPARSED, Prediction, read_predictions
from mcqa.question import LETTERS, Question

OF_HARNESS = re.compile(r"samples_(.+)_\d{4}-\d\d-\d\dT[\d.-]+")
OF_INSPECT = re.compile(r"\d{4}-\d\d-\d\dT[\d+-]+_(.+)_[0-9A-Za-z]{22}")
LONGEST = 2**28  # bytes of a sample, unpacked: a small archive can hold what fills the memory
ZSTANDARD = 93  # the number that ZIP archives have for it
LEAST = 1e-300  # a probability that was rounded to 0 counts as this


class Answered(NamedTuple):
    """Hold what a file answers, and by the answers' ids the questions, as far as it has them."""

    predictions: list[Prediction]
    questions: Mapping[str, Question]
    ours: bool = False


def answers_name(path: str | Path) -> str:
    """Return what to call a file of answers: its name, without dates and ids of evaluators.

    >>> answers_name("samples_arc_easy_2026-11-24T18-26-05.853114.jsonl")
    'arc_easy'
    >>> answers_name("2026-11-24T18-10-06-00-00_arc-easy_PQ8uS5HG7EaAWcAeW3EPc2.eval")
    'arc-easy'
    """
    stem = Path(path).stem
    found = OF_HARNESS.fullmatch(stem) or OF_INSPECT.fullmatch(stem)
    return found[1] if found else stem


def read_answers(path: str | Path) -> Answered:
    """Read the answers in a file of one of the formats above.

    Raises:
        DataError: it cannot be read, or is of no such format.
    """
    path = Path(path)
    try:
        if path.suffix == ".csv":
            return _read_csv(path)
        if path.suffix in (".eval", ".json"):
            return _read_inspect(path)
        rows = list(_json_lines(path))
        if rows and isinstance(rows[0], dict) and "filtered_resps" in rows[0]:
            return _read_harness(path, rows)
    except McqaError:
        raise
    except (OSError, ValueError, KeyError, IndexError, TypeError, zipfile.BadZipFile) as error:
        raise DataError(
            f"{path}: cannot be read as answers ({type(error).__name__}: {error}). Give samples of "
            "lm-evaluation-harness (--log_samples), a log of inspect_ai (.eval, .json), a CSV file "
            "with id and choice or probabilities, or predictions of mcqa."
        ) from error
    return Answered(read_predictions(path), _own_questions(path), ours=True)


def _json_lines(path: Path) -> Iterator[dict]:
    try:
        with path.open(encoding="utf-8") as file:
            yield from (json.loads(line) for line in file)
    except (OSError, ValueError):
        return  # `read_predictions` says what is wrong


def _own_questions(path: Path) -> dict[str, Question]:
    """Return the questions of the evaluation that predictions belong to, if they are there."""
    for folder in (path.parent, path.parent.parent):
        if (folder / QUESTIONS).is_file():
            questions = [Question(**row) for row in _json_lines(folder / QUESTIONS)]
            return {question.id: question for question in questions}
    return {}


def _read_harness(path: Path, rows: Sequence[dict]) -> Answered:
    """Read samples: log-likelihoods of the options, of the first filter where there are several."""
    first = {row["doc_id"]: row for row in reversed(rows)}
    rows = [first[doc_id] for doc_id in sorted(first)]
    asked = _questions_of([row["doc"] for row in rows], path)
    predictions, questions = [], {}
    for row, question in zip(rows, asked, strict=True):
        id = str(row["doc"].get("id", row["doc_id"])) if question is None else question.id
        answers = row["filtered_resps"]
        scores = None
        if isinstance(answers[0], list):
            size = len(question.options) if question else len(answers)
            # a task with `acc_mutual_info` asks each option twice, the second time without context
            scores = [float(answer[0]) for answer in answers[:size]]
        choice = scores.index(max(scores)) if scores else _letter(answers[0])
        label = int(row["target"]) if str(row["target"]).isdecimal() else _letter(row["target"])
        if question is not None:
            questions[id] = question
            label = question.label if question.label is not None else label
        _check_label(row, label, choice if scores else None, path)
        predictions.append(_prediction(id, label, choice, "lm_eval", scores))
    return Answered(predictions, questions)


def _check_label(row: dict, label: int | None, choice: int | None, path: Path) -> None:
    """Raise a DataError where the harness counts an answer as right that this label does not."""
    if "acc" in row and None not in (label, choice) and bool(row["acc"]) != (choice == label):
        raise DataError(
            f"{path}: of doc_id {row['doc_id']} acc is {row['acc']:g}, but option {choice} is "
            f"chosen and {label} is read as the right one (target {row['target']!r}). The task's "
            "documents are of a format that is read wrongly; give a CSV file of id and choice, "
            "with --data."
        )


def _questions_of(docs: Sequence[dict], path: Path) -> list[Question | None]:
    """Return the documents of a task as questions, all None where their format is not known."""
    rows = [Row(f"line {number}", doc) for number, doc in enumerate(docs, 1)]
    try:
        reader = QuestionReader(Table(str(path), path.stem, lambda: iter(rows)), Settings())
        questions = list(reader)
    except McqaError:
        return [None] * len(docs)
    return questions if len(questions) == len(docs) else [None] * len(docs)


def _read_inspect(path: Path) -> Answered:
    """Read the first epoch of a log: the letters that `multiple_choice` answers with.

    Where it shuffled the options, the scorer has put answers back into the order of `choices`.
    """
    if path.suffix == ".eval":
        samples = map(json.loads, _members(path, "samples/"))
    else:
        samples = json.loads(path.read_text(encoding="utf-8"))["samples"]
    predictions, questions = [], {}
    for sample in samples:
        if sample.get("epoch", 1) != 1 or sample.get("error"):  # stopped before it was answered
            continue
        id, options = str(sample["id"]), tuple(sample["choices"])
        label = _letter(sample["target"])
        stem = sample["input"]
        if isinstance(stem, list):  # messages
            stem = stem[-1]["content"]
        questions[id] = Question(id=id, stem=stem, options=options, label=label)
        scores = sample.get("scores") or {"": {"answer": None}}
        answer = next(iter(scores.values())).get("answer")
        predictions.append(_prediction(id, label, _letter(answer), "inspect_ai"))
    if not predictions:
        raise ValueError("it has no samples")
    return Answered(predictions, questions)


def _members(path: Path, folder: str) -> Iterator[bytes]:
    """Yield the files in a folder of a ZIP archive, also those that Zstandard compressed.

    zipfile reads these from Python 3.14 on. They are a frame behind a local header of 30 bytes, the
    name and an extra field, the lengths of which end the 30.
    """
    import pyarrow

    with zipfile.ZipFile(path) as archive, path.open("rb") as file:
        for info in archive.infolist():
            if not info.filename.startswith(folder):
                continue
            if info.file_size > LONGEST:
                raise ValueError(f"{info.filename} is longer than {LONGEST:,} bytes")
            if info.compress_type != ZSTANDARD:
                yield archive.read(info)
                continue
            file.seek(info.header_offset)
            file.seek(sum(struct.unpack("<26xHH", file.read(30))), 1)
            frame = file.read(info.compress_size)
            yield pyarrow.decompress(frame, info.file_size, codec="zstd", asbytes=True)


def _read_csv(path: Path) -> Answered:
    """Read a row per question; several probabilities are separated by spaces or semicolons."""
    predictions = []
    with path.open(encoding="utf-8-sig", newline="") as file:
        for row in csv.DictReader(file):
            label = _place(row.get("label"))
            if row.get("probabilities"):
                text = re.sub(r"[\[\],;]", " ", row["probabilities"])
                scores = [math.log(max(float(part), LEAST)) for part in text.split()]
                choice = scores.index(max(scores))
            else:
                choice, scores = _place(row["choice"]), None
            predictions.append(_prediction(row["id"], label, choice, "csv", scores))
    if not predictions:
        raise ValueError("it has no rows")
    return Answered(predictions, {})


def _prediction(
    id: str,
    label: int | None,
    choice: int | None,
    scorer: str,
    scores: Sequence[float] | None = None,
) -> Prediction:
    """Return an answer; scores are log-likelihoods, whose softmax are the probabilities."""
    read = {} if scores else {"text": "", "parsed": UNPARSED if choice is None else "letter"}
    return Prediction(
        id=id,
        label=label,
        choice=choice,
        scores=tuple(scores) if scores else None,
        probabilities=KINDS["choice"].probabilities(scores) if scores else None,
        unit="nats" if scores else None,
        scorer=scorer,
        tokens=0,
        **read,
    )


def _place(text: str | None) -> int | None:
    """Return an option's index, given as such or as a letter; None of nothing."""
    text = (text or "").strip()
    return int(text) if text.isdecimal() else _letter(text)


def _letter(text) -> int | None:
    """Return the index of an option that is named by its letter alone: A, (B), C."""
    text = text[0] if isinstance(text, list) and len(text) == 1 else text
    text = str(text or "").strip(" ().").upper()
    return LETTERS.index(text) if len(text) == 1 and text in LETTERS else None
