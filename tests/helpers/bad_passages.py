"""Corpora and indexes that cannot be used."""

from bad_inputs import GOOD, SCORE, Case, Place, content, cut, edited, replaced, rows, spoiled

from mcqa.retrieval.corpus import Passage
from mcqa.retrieval.index import INDEX, PassageIndex

INDEXING = "index FILE --output OUT"
RETRIEVED = SCORE + " --context retrieved --index OUT"
AGAIN = "Make it again with `mcqa index`."


def index(spoil):
    """Make an index, and spoil its folder."""

    def make(place: Place) -> None:
        PassageIndex.build([Passage("p", "A pear is a fruit.")]).save(place.out)
        spoil(place.out)

    return make


def retrieving_run(place: Place) -> None:
    context = {"kind": "retrieved", "top_k": 3, "source": "train.jsonl"}
    spoiled("run", edited("run.json", context=context))(place)


def a_thesis(place: Place) -> None:
    place.out.mkdir()
    (place.out / "thesis.txt").write_text("precious")


PASSAGES = (
    Case(
        "questions without any explanation",
        "FILE: no passage in it: 36 questions have neither an explanation nor a context.",
        INDEXING,
    ),
    Case("an empty corpus", "FILE: the file holds no rows.", INDEXING, content("c.jsonl", "")),
    Case("an empty .txt", "FILE: the file holds no rows.", INDEXING, content("c.txt", " \n\n")),
    Case(
        "no such corpus",
        "absent.txt: no such file. Files ending in .jsonl, .json, .csv, .tsv, .parquet, .txt "
        "(text also as .gz) are read.",
        "index absent.txt --output OUT",
    ),
    Case(
        "rows that are neither passages nor questions",
        "FILE, line 1: neither a passage, which has a field 'text' and may have an 'id', nor a "
        "question of a known format; it has the fields 'title', 'body'. Rename them; a question's "
        "may be mapped with --field.",
        INDEXING,
        content("c.jsonl", '{"title": "Pears", "body": "A pear is a fruit."}'),
    ),
    Case(
        "a passage without its text",
        "FILE, line 2: the field 'text' is missing.",
        INDEXING,
        content("c.jsonl", '{"text": "A pear is a fruit."}\n{"body": "So is a plum."}\n'),
    ),
    Case(
        "one id for two passages",
        "FILE, line 2: the id '1' is already that of line 1. Give every passage an id of its own, "
        "or leave out the ids.",
        INDEXING,
        content("c.jsonl", '{"id": 1, "text": "a pear"}\n{"id": "1", "text": "a plum"}\n'),
    ),
    Case(
        "passages without a word",
        "FILE: there is no word to search for in them.",
        INDEXING,
        content("c.jsonl", '{"text": "…"}\n{"text": "the!"}\n'),
    ),
    Case(
        "an explanation that is no text",
        "FILE, line 2: 'explanation' must be a text, got ['it is'].",
        INDEXING,
        rows(GOOD | {"id": "q2", "explanation": ["it is"]}),
    ),
    Case(
        "an index that is there already",
        "OUT holds an index. Choose another --output, or pass --overwrite.",
        INDEXING,
        index(lambda folder: None),
    ),
    Case(
        "a folder that holds something else",
        "OUT is not an empty folder. Choose another --output.",
        INDEXING + " --overwrite",
        a_thesis,
    ),
    Case(
        "a folder that is no index",
        "index OUT: there is no index.json in it. Name a folder that `mcqa index CORPUS --output "
        "DIR` wrote.",
        RETRIEVED,
        a_thesis,
    ),
    Case(
        "an index cut short",
        "index OUT: cannot be used (indices.csc.index.npy is not what was written). " + AGAIN,
        RETRIEVED,
        index(cut("indices.csc.index.npy")),
    ),
    Case(
        "passages changed after they were indexed",
        "index OUT: cannot be used (passages.jsonl is not what was written). " + AGAIN,
        RETRIEVED,
        index(replaced("passages.jsonl", '{"id": "p", "text": "B.", "origins": []}\n')),
    ),
    Case(
        "an index that lacks a file",
        "index OUT: cannot be used ([Errno 2] No such file or directory: "
        "'OUT/vocab.index.json'). " + AGAIN,
        RETRIEVED,
        index(lambda folder: (folder / "vocab.index.json").unlink()),
    ),
    Case(
        "an index of another version",
        "index OUT: cannot be used (it is of another version of mcqa). " + AGAIN,
        RETRIEVED,
        index(edited(INDEX, version=0)),
    ),
    Case(
        "a broken index.json",
        "index OUT: cannot be used (…). " + AGAIN,
        RETRIEVED,
        index(replaced(INDEX, "[1")),
    ),
    Case(
        "a run trained with passages, scored without",
        "'RUN' was trained with passages of 'train.jsonl', and is scored with retrieved ones "
        "by default: give --index or --corpus, or another --context.",
        SCORE.replace("MODEL", "RUN"),
        retrieving_run,
    ),
)
