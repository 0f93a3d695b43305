"""What holds for any row: it is a question or an error, and what is written comes back.

`MCQA_HYPOTHESIS=slow` tries 2,000 examples of each instead of 100.
"""

import csv
import gzip
import json
import random

import pandas
import pytest
from hypothesis import event, given
from hypothesis import strategies as st
from sample_rows import SAMPLES

from mcqa import McqaError, Question
from mcqa.data import load_questions
from mcqa.data.files import Row, Table
from mcqa.data.findings import Findings
from mcqa.data.formats import FORMATS, Detection
from mcqa.data.reader import POLICIES, QuestionReader, Settings

NAMES = sorted({name for known in FORMATS.values() for name in known.fields} | set("ABCD"))
NAN = float("nan")
LABELS = st.sampled_from([0, 1, 3, 4, -1, "A", "B", "A,C", "yes", "", None, True, 1.0, NAN])
SCALARS = LABELS | st.integers() | st.floats() | st.text(st.characters(), max_size=8)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.dictionaries(
            st.sampled_from(
                ["label", "text", "stem", "choices", "key", "value", "contexts", "A", "type"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=4,
)
ANY_ROWS = st.dictionaries(st.sampled_from(NAMES) | st.text(), VALUES)


@st.composite
def row_lists(draw):
    """Rows of one format, some of which lack fields or have anything in them."""
    sample, rows = draw(st.sampled_from(SAMPLES)), []
    for number in range(draw(st.integers(1, 4))):
        row = sample | {"id": f"q{number}"}
        for name in draw(st.lists(st.sampled_from(sorted(row)), max_size=2)):
            row[name] = draw(VALUES)
        for name in draw(st.sets(st.sampled_from(sorted(row)), max_size=1)):
            del row[name]
        rows.append(row)
    return rows + draw(st.lists(ANY_ROWS, max_size=1))


TEXTS = (
    st.text(st.characters(codec="utf-8", exclude_characters="\r"), min_size=1, max_size=20)
    .map(str.strip)
    .filter(bool)
)


def table(rows):
    return Table("t", "t", lambda: (Row(f"row {i}", row) for i, row in enumerate(rows, 1)))


@given(
    rows=row_lists(),
    format=st.sampled_from([*["auto"] * 9, *FORMATS]),
    label_base=st.sampled_from([None, None, None, 0, 1]),
    unlabelled=st.sampled_from(POLICIES),
    skip_invalid=st.booleans(),
)
def test_any_rows_are_questions_or_an_error(rows, format, label_base, unlabelled, skip_invalid):
    settings = {"format": format, "label_base": label_base, "unlabelled": unlabelled}
    refused = ""
    try:
        reader = QuestionReader(table(rows), Settings(skip_invalid=skip_invalid, **settings))
        questions = list(reader)
    except McqaError as error:
        refused = str(error)
    assert "\n" not in refused
    if refused.encode():  # which is how it is printed
        return
    event(f"questions: {len(questions)}")
    account, findings = reader.account, Findings()
    for question in questions:
        findings.see(question)
        known = question.label is not None or question.targets is not None
        assert unlabelled == "keep" or known
    assert len(questions) + len(account.rejected) + account.counts()["skipped"] == len(rows)
    assert skip_invalid or not account.rejected


@given(lists=st.lists(row_lists(), min_size=1, max_size=2), seed=st.integers(0, 9))
def test_the_order_of_rows_does_not_change_the_format(lists, seed):
    rows = [row for rows in lists for row in rows]

    def found(rows):
        detection = Detection()
        for number, row in enumerate(rows):
            detection.see(f"row {number}", row)
        try:
            return detection.result("t")
        except McqaError:
            return None

    assert found(rows) == found(random.Random(seed).sample(rows, len(rows)))


@st.composite
def question_sets(draw):
    questions = []
    for number in range(draw(st.integers(1, 4))):
        options = draw(st.lists(TEXTS, min_size=2, max_size=26))
        label = draw(st.none() | st.integers(0, len(options) - 1))
        context, subject = draw(st.tuples(*[st.none() | TEXTS] * 2))
        stem = draw(TEXTS)
        questions.append(
            Question(
                id=f"q{number}",
                stem=stem,
                options=tuple(options),
                label=label,
                context=context,
                subject=subject,
            )
        )
    return questions


def write(path, rows):
    if path.suffix == ".parquet":
        pandas.DataFrame(rows).to_parquet(path)
    elif path.suffix in (".csv", ".tsv"):
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, delimiter="\t" if path.suffix == ".tsv" else ",")
            writer.writerow(rows[0])
            for row in rows:
                cells = {**row, "options": json.dumps(row["options"])}
                writer.writerow("" if cell is None else cell for cell in cells.values())
    elif path.suffix == ".json":
        path.write_text(json.dumps(rows), encoding="utf-8")
    else:
        lines = "\n".join(json.dumps(row, ensure_ascii=False) for row in rows).encode()
        path.write_bytes(gzip.compress(lines) if path.suffix == ".gz" else lines)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("written")


@pytest.mark.parametrize("ending", ["jsonl", "jsonl.gz", "json", "csv", "tsv", "parquet"])
@given(questions=question_sets())
def test_what_is_written_comes_back(folder, ending, questions):
    rows = [
        {
            "id": q.id,
            "question": q.stem,
            "options": list(q.options),
            "label": None if q.label is None else q.label,
            "context": q.context,
            "subject": q.subject,
        }
        for q in questions
    ]
    path = folder / f"set.{ending}"
    write(path, rows)
    if ending in ("csv", "tsv"):  # there a number is a text, and may be an option's
        rows = [row | {"label": None} for row in rows]
        write(path, rows)
        questions = [Question(**(vars(q) | {"label": None})) for q in questions]
    assert load_questions(path, format="generic") == questions


def loaded_or_told(path, skip_invalid):
    """Return questions, or the message of one of our errors, which begins with the file."""
    try:
        return load_questions(path, skip_invalid=skip_invalid)
    except McqaError as error:
        told = str(error)
    assert told.startswith(str(path))
    return told


ENDINGS = ["jsonl", "json", "csv", "tsv", "parquet"]
NOISE = st.binary(max_size=60) | st.text(
    st.sampled_from('{}[]",:\\\n\r\t0129.eE-+ ABCDabcd') | st.characters(), max_size=60
).map(lambda text: text.encode(errors="surrogatepass"))


@pytest.mark.parametrize("ending", [*ENDINGS, *(f"{ending}.gz" for ending in ENDINGS[:-1])])
@given(content=NOISE, cut=st.integers(0, 40), skip_invalid=st.booleans())
def test_any_bytes_are_questions_or_an_error(folder, ending, content, cut, skip_invalid):
    path = folder / f"noise.{ending}"
    if ending.endswith(".gz"):
        content = gzip.compress(content)[: -cut or None]
    if ending == "parquet" and cut % 2:
        content = b"PAR1" + content + b"PAR1"
    path.write_bytes(content)
    assert loaded_or_told(path, skip_invalid)


@pytest.mark.parametrize("ending", ["json", "jsonl"])
@given(rows=row_lists(), extra=st.lists(VALUES, max_size=2), keyed=st.booleans())
def test_any_json_is_questions_or_an_error(folder, ending, rows, extra, keyed):
    path, rows = folder / f"any.{ending}", [*rows, *extra]
    if ending == "jsonl":
        path.write_text("\n".join(map(json.dumps, rows)))
    else:
        path.write_text(json.dumps({f"k{n}": row for n, row in enumerate(rows)} if keyed else rows))
    loaded_or_told(path, skip_invalid=True)


@given(
    questions=question_sets(),
    names=st.lists(
        st.from_regex(r"[a-z]{1,5}_", fullmatch=True), min_size=6, max_size=6, unique=True
    ),
    inside=st.booleans(),
)
def test_fields_of_any_name_are_found_where_a_mapping_says(questions, names, inside):
    own = ("id", "stem", "options", "label", "context", "subject")
    rows = [dict(zip(names, (getattr(q, name) for name in own), strict=True)) for q in questions]
    rows = [row | {names[2]: list(row[names[2]])} for row in rows]
    where = [f"in.{name}" if inside else name for name in names]
    rows = [{"in": row} if inside else row for row in rows]
    fields = dict(zip(own, where, strict=True))
    assert list(QuestionReader(table(rows), Settings(format="generic", fields=fields))) == questions
