"""The bundled questions are many, true to their tables, split by fact, and never change unnoticed.

What is right is worked out here from the files alone, not with the code that makes the questions.
"""

import hashlib
import json
from collections import Counter, defaultdict

import pytest
from bundled_tables import FOLDER, KINDS, TABLES, asked, columns, rivals, row_of

from mcqa.data.bundled import SPLITS, bundled_questions
from mcqa.errors import DataError

CONTENT = "712fd0fe9d14bb307d5c0a706316123f717143283029bd15365c55c5015a1c9e"
MEDICAL = {
    "Anatomy",
    "Biochemistry",
    "Medicine",
    "Microbiology",
    "Pathology",
    "Pharmacology",
    "Physiology",
}


def _fact(question):
    return question.id.rsplit("/", 1)[0]


@pytest.fixture(scope="module")
def splits():
    return {split: bundled_questions(split) for split in SPLITS}


@pytest.fixture(scope="module")
def questions(splits):
    return [question for split in SPLITS for question in splits[split]]


def test_there_are_as_many_questions_as_promised(splits):
    assert 990 <= len(splits["train"]) <= 1210
    assert 135 <= len(splits["validation"]) <= 165
    assert 270 <= len(splits["test"]) <= 330
    assert sum(map(len, splits.values())) >= 1550


def test_facts_are_many_and_of_many_subjects(questions):
    subject_of = {_fact(question): question.subject for question in questions}
    assert len(subject_of) >= 600
    assert len(set(subject_of.values())) >= 10
    assert sum(subject in MEDICAL for subject in subject_of.values()) >= 180
    assert len(subject_of) == sum(map(len, TABLES.values()))


def test_a_fact_is_asked_at_most_three_times_and_mostly_twice(questions):
    times = Counter(Counter(map(_fact, questions)).values())
    assert max(times) <= 3
    assert times[2] / times.total() > 0.6


def test_the_splits_share_no_fact(splits):
    for one in SPLITS:
        for other in set(SPLITS) - {one}:
            assert not set(map(_fact, splits[one])) & set(map(_fact, splits[other]))


def test_the_splits_share_no_pair_of_key_and_answer(splits):
    seen = defaultdict(set)
    for split in SPLITS:
        for question in splits[split]:
            pair = frozenset(value.casefold() for value in columns(row_of(question)).values())
            seen[pair].add(split)
    assert [pair for pair, where in seen.items() if len(where) > 1] == []


def test_options_come_from_the_own_side_of_the_split(splits):
    def texts(names):
        found = defaultdict(set)
        for question in (question for name in names for question in splits[name]):
            kind, asks, rows = asked(question)
            for row in (row for row in rows if row[asks] == question.answer):
                found[kind].update(columns(row).values())
        return found

    for side in (["train"], ["validation", "test"]):
        allowed = texts(side)
        for question in (question for name in side for question in splits[name]):
            assert set(question.options) <= allowed[question.id.split("/")[0]], question


def test_every_kind_is_in_every_split(splits):
    for questions in splits.values():
        assert {question.id.split("/")[0] for question in questions} == set(KINDS)


def test_the_first_questions_mix_the_kinds(splits):
    kinds = Counter(question.id.split("/")[0] for question in splits["train"][:100])
    assert len(kinds) >= 25
    assert max(kinds.values()) <= 10


def test_no_question_is_there_twice(questions):
    assert len({question.id for question in questions}) == len(questions)
    contents = {(question.stem, frozenset(question.options)) for question in questions}
    assert len(contents) == len(questions)


def test_options_differ_in_more_than_case(questions):
    for question in questions:
        assert len({option.casefold() for option in question.options}) == len(question.options)


def test_exactly_one_option_is_right(questions):
    for question in questions:
        kind, asks, rows = asked(question)
        right = {row[asks] for row in rows}
        assert question.answer in right, question
        assert len(right & set(question.options)) == 1, question
        assert set(question.options) <= {row[asks] for row in TABLES[kind]}, question


def test_no_option_is_a_rival_of_the_fact(questions):
    for question in questions:
        kind, asks, _ = asked(question)
        fact = row_of(question)
        own = set(columns(fact).values())
        also_right = [
            row[asks]
            for row in TABLES[kind]
            if rivals(fact) & set(columns(row).values()) or rivals(row) & own
        ]
        assert not set(also_right) & set(question.options) - {question.answer}, question


def test_labels_are_balanced_for_each_number_of_options(splits):
    for questions in splits.values():
        for size in (3, 4, 5):
            labels = Counter(q.label for q in questions if len(q.options) == size)
            assert set(labels) == set(range(size))
            assert max(labels.values()) - min(labels.values()) <= 1


def test_most_questions_have_four_options(splits):
    for questions in splits.values():
        sizes = Counter(len(question.options) for question in questions)
        assert set(sizes) == {3, 4, 5}
        for size, share in ((3, 0.1), (4, 0.8), (5, 0.1)):
            assert sizes[size] / len(questions) == pytest.approx(share, abs=0.01)


def test_every_file_is_in_use():
    assert {path.stem for path in FOLDER.glob("*.tsv")} == {*KINDS, "scales"}


@pytest.mark.parametrize("kind", KINDS)
def test_a_table_is_filled_and_has_no_key_twice(kind):
    rows = TABLES[kind]
    assert len(rows) >= 15
    key = next(iter(rows[0]))
    assert len({row[key].casefold() for row in rows}) == len(rows)
    for row in rows:
        assert None not in row, f"{row[key]}: more cells than the header"
        for value in columns(row).values():
            assert value, row
            assert value == " ".join(value.split()), row


@pytest.mark.parametrize("kind", KINDS)
def test_rivals_are_values_of_other_rows(kind):
    for row in TABLES[kind]:
        others = {value for other in TABLES[kind] if other is not row for value in other.values()}
        assert rivals(row) <= others, row
        assert not rivals(row) & set(columns(row).values()), row


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_is_asked_in_both_directions(kind):
    phrasings = KINDS[kind]["phrasings"]
    assert 2 <= len(phrasings) <= 4
    assert {phrasing["asks"] for phrasing in phrasings} == set(columns(TABLES[kind][0]))
    for phrasing in phrasings:
        assert "{" + phrasing["asks"] + "}" not in phrasing["stem"]


def test_stems_start_with_a_capital_and_end_as_questions_do(questions):
    for question in questions:
        first = question.stem.lstrip('"')[0]
        assert not first.islower(), question
        assert question.stem.endswith(("?", "...")), question
        assert "{" not in question.stem, question


def test_a_known_question(questions):
    (question,) = [question for question in questions if question.id == "capitals/ghana/1"]
    assert question.stem == "What is the capital of Ghana?"
    assert question.answer == "Accra"
    assert question.subject == "Geography"
    assert question.context is None


def test_two_calls_give_the_same_and_do_not_share_a_list():
    first = bundled_questions("validation")
    expected = list(first)
    first.clear()
    assert bundled_questions("validation") == expected


def test_the_content_is_the_one_that_results_were_made_with(questions):
    rows = [[q.id, q.stem, q.options, q.label, q.subject] for q in questions]
    content = json.dumps(rows, ensure_ascii=True)
    assert hashlib.sha256(content.encode()).hexdigest() == CONTENT


def test_an_unknown_split_is_an_error_that_names_the_splits():
    with pytest.raises(DataError, match=r"'dev'.*train, validation, test"):
        bundled_questions("dev")
