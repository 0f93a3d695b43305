"""Passages from files of them and from questions, and which questions each came with."""

import gzip
import json

import pytest
from sample_rows import GENERIC, MEDMCQA, RACE

from mcqa.data.same import text_key
from mcqa.errors import DataError
from mcqa.retrieval.corpus import Passage, read_corpus


@pytest.fixture
def write(tmp_path):
    """Write rows as JSON lines, or a text, and return the path."""

    def run(*rows, name="corpus.jsonl"):
        path = tmp_path / name
        text = rows[0] if isinstance(rows[0], str) else "\n".join(map(json.dumps, rows))
        data = text.encode()
        path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
        return path

    return run


def test_rows_with_a_text_are_passages(write):
    path = write({"id": 7, "text": " The skin. "}, {"text": "The liver.", "title": "x"})
    assert read_corpus(path).passages == [
        Passage("7", "The skin."),
        Passage("corpus-2", "The liver."),
    ]
    assert len(read_corpus(path, limit=1).passages) == 1


@pytest.mark.parametrize("name", ["corpus.txt", "corpus.txt.gz"])
def test_a_text_file_holds_a_passage_a_paragraph(write, name):
    path = write("\n\nOne line,\nand another.\n \t\n\nThe last\n", name=name)
    texts = [(passage.id, passage.text) for passage in read_corpus(path).passages]
    assert texts == [("corpus-1", "One line,\nand another."), ("corpus-2", "The last")]


def test_questions_give_their_explanations_and_remember_where_these_belong(write):
    path = write(MEDMCQA, MEDMCQA | {"id": "m2", "question": "Largest gland?", "exp": "Liver!"})
    assert read_corpus(path, label_base=1).passages == [
        Passage("m1", "It is the skin.", (text_key("largest  organ"),)),
        Passage("m2", "Liver!", (text_key("Largest gland?"),)),
    ]


def test_one_text_of_several_questions_is_one_passage_of_them_all(write):
    path = write(RACE, RACE | {"question": "Who keeps bees?", "article": "Ann  keeps bees"})
    stems = (RACE["question"], "Who keeps bees?")
    assert read_corpus(path).passages == [
        Passage("corpus-1", "Ann keeps bees.", tuple(map(text_key, stems)))
    ]


def test_the_explanation_goes_before_the_context_and_what_has_neither_is_told(write):
    rows = [GENERIC | {"explanation": "Paint is green."}, GENERIC | {"context": None}]
    corpus = read_corpus(write(*rows))
    assert [passage.text for passage in corpus.passages] == ["Paint is green."]
    assert corpus.remarks == ["1 questions have neither an explanation nor a context"]


def test_questions_under_other_names_are_questions_even_with_a_text(write):
    row = {"text": "Which?", "options": ["x", "y"], "label": 0, "explanation": "x is."}
    path = write(row)
    [passage] = read_corpus(path, fields={"stem": "text"}).passages
    assert passage == Passage("corpus-1", "x is.", (text_key("Which?"),))


def test_bad_rows_are_an_error_or_left_out_and_counted(write):
    path = write({"id": "a", "text": "x"}, {"id": "a", "text": "y"}, {"text": " "}, {"id": "b"})
    with pytest.raises(DataError, match=r"line 2: the id 'a' is already that of line 1"):
        read_corpus(path)
    corpus = read_corpus(path, skip_invalid=True)
    assert len(corpus.passages) == 1
    assert [entry.place for entry in corpus.rejected] == ["line 2", "line 3", "line 4"]
    assert corpus.remarks == ["3 bad rows left out"]
