"""BM25 against the formula, ties, what must not be found, and an index that comes back whole."""

import json
import math

import numpy
import pytest

from mcqa.data.same import text_key
from mcqa.errors import ConfigError, DataError
from mcqa.question import Question
from mcqa.retrieval.corpus import Passage
from mcqa.retrieval.index import ARRAYS, FILES, INDEX, PassageIndex, open_passages

TEXTS = (
    "Skin covers bone.",
    "Liver makes bile; bile helps.",
    "Vitamin C heals skin. Vitamin D heals bone.",
    "Skin covers bone!",
    "Nothing here.",
)
PASSAGES = [Passage(f"p{n}", text) for n, text in enumerate(TEXTS)]
WORDS = [
    ["skin", "covers", "bone"],
    ["liver", "makes", "bile", "bile", "helps"],
    ["vitamin", "c", "heals", "skin", "vitamin", "d", "heals", "bone"],
    ["skin", "covers", "bone"],
    ["nothing", "here"],
]


@pytest.fixture(scope="module")
def index():
    return PassageIndex.build(PASSAGES, "texts", "0" * 64)


def names(found):
    return [passage.id for passage, _ in found]


def bm25(query, place):
    """Lucene's BM25 with k1 = 1.5 and b = 0.75, from its formula."""
    n, mean = len(WORDS), sum(map(len, WORDS)) / len(WORDS)
    total = 0.0
    for word in query:
        having = sum(word in words for words in WORDS)
        often = WORDS[place].count(word)
        idf = math.log(1 + (n - having + 0.5) / (having + 0.5))
        total += idf * often / (often + 1.5 * (0.25 + 0.75 * len(WORDS[place]) / mean))
    return total


def test_scores_are_those_of_the_formula_best_first(index):
    query = ["bile", "c", "skin", "bile"]
    found = index.search("Is bile in the skin? C, BILE", 9)
    expected = {f"p{place}": bm25(query, place) for place in range(5)}
    assert [r.score for _, r in found] == sorted((r.score for _, r in found), reverse=True)
    assert {r.id: r.score for _, r in found} == pytest.approx(
        {name: score for name, score in expected.items() if score}
    )
    assert names(found)[0] == "p1"


def test_equal_passages_come_in_their_order_and_no_more_than_k(index):
    assert names(index.search("skin covers", 2)) == ["p0", "p3"]
    assert names(index.search("skin covers", 1)) == ["p0"]
    assert names(index.search("bile", 3)) == ["p1"]


def test_there_are_k_passages_without_those_that_must_not_be_found(index):
    assert names(index.search("skin covers", 2, without={0})) == ["p3", "p2"]
    assert names(index.search("skin covers", 9, without={0, 2, 3})) == []


@pytest.mark.parametrize("query", ["", "the of", "zebra"])
def test_without_a_known_word_nothing_is_found(index, query):
    assert index.search(query, 3) == []


def test_the_order_of_a_query_changes_no_bit(index):
    words = ["skin", "vitamin", "covers", "bone", "heals", "d", "c"]
    assert index.search(" ".join(words), 5) == index.search(" ".join(reversed(words)), 5)


def test_a_passage_belongs_to_questions_of_its_stem_and_to_those_it_explains():
    passages = [Passage("a", "One.", (text_key("Which organ?"),)), Passage("b", "It is skin.")]
    index = PassageIndex.build(passages)
    asked = {"options": ("x", "y")}
    by_stem = Question(stem="which  organ", **asked)
    by_text = Question(stem="Another?", explanation="It is Skin", **asked)
    by_context = Question(stem="Another?", context="It is skin.", **asked)
    assert index.of_questions([by_stem]) == {0}
    assert index.of_questions([by_text]) == {1}
    assert index.of_questions([by_context]) == set()
    assert index.of_questions([by_stem, by_text]) == {0, 1}


def test_an_index_comes_back_from_disk_as_it_was(index, tmp_path):
    folder = index.save(tmp_path / "idx")
    said = []
    again = open_passages(folder, None, said.append)
    assert said == ["Retrieving from 5 passages of texts"]
    assert again.passages == PASSAGES
    assert (again.checksum, again.source, again.sha256) == (index.checksum, "texts", "0" * 64)
    for query in ("skin covers", "bile", "vitamin c", "zebra"):
        assert again.search(query, 3) == index.search(query, 3)
    assert sorted(path.name for path in folder.iterdir()) == sorted([INDEX, *FILES])
    assert json.loads((folder / INDEX).read_text())["passages"] == 5
    assert list(tmp_path.iterdir()) == [folder]


def test_the_checksum_changes_with_the_passages_alone(index):
    assert PassageIndex.build(PASSAGES, "other").checksum == index.checksum
    assert PassageIndex.build(PASSAGES[::-1]).checksum != index.checksum


def test_only_an_index_is_overwritten_and_only_when_asked(index, tmp_path):
    folder = index.save(tmp_path / "idx")
    with pytest.raises(ConfigError, match="pass --overwrite"):
        index.save(folder)
    PassageIndex.build(PASSAGES[:2]).save(folder, overwrite=True)
    assert len(PassageIndex.load(folder)) == 2
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("precious")
    with pytest.raises(ConfigError, match="not an empty folder"):
        index.save(tmp_path / "mine", overwrite=True)
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "precious"


@pytest.mark.parametrize("name", FILES)
def test_a_damaged_file_is_named(index, tmp_path, name):
    folder = index.save(tmp_path / "idx")
    (folder / name).write_bytes((folder / name).read_bytes()[:-1])
    with pytest.raises(DataError, match=rf"{name} is not what was written.*mcqa index"):
        PassageIndex.load(folder)


def test_a_pickle_is_not_read_even_where_the_checksums_agree(index, tmp_path, monkeypatch):
    folder = index.save(tmp_path / "idx")
    harmful = numpy.array([{"a": 1}], dtype=object)
    numpy.save(folder / ARRAYS[0], harmful, allow_pickle=True)
    about = json.loads((folder / INDEX).read_text())
    monkeypatch.setattr("mcqa.retrieval.index._sha256", lambda path: about["sha256"][path.name])
    with pytest.raises(DataError, match="allow_pickle=False"):
        PassageIndex.load(folder)
