"""Files and rows that are no questions."""

import gzip
import json

from bad_inputs import EVALUATE, GOOD, SCORE, TRAIN, Case, Place, content, row, rows

ENDINGS = ".jsonl, .json, .csv, .tsv, .parquet (text also as .gz)"
NOT_READ = f"are not read, only {ENDINGS}. Convert or rename the file; unpack an archive first."
JSON_REMEDY = "A .json file holds one list or object; a file of one object per line is a .jsonl."
LINE = json.dumps(GOOD) + "\n"
CHOICES = [{"label": "A", "text": "x"}, {"label": "B", "text": "y"}]
ARC = {"question": {"stem": "?", "choices": CHOICES}}
MEDMCQA = {"id": "m", "question": "?", "opa": "a", "opb": "b", "opc": "c", "opd": "d"}


def absent(place: Place) -> None:
    place.file = place.folder / "absent.jsonl"


def a_folder(place: Place) -> None:
    place.file = place.folder / "questions"
    place.file.mkdir()


def a_pattern(place: Place) -> None:
    place.file = place.folder / "*.csv"


def a_long_line(place: Place) -> None:
    place.patch.setattr("mcqa.data.files._LONGEST", 100)
    content("q.jsonl.gz", gzip.compress(b" " * 101))(place)


def a_bomb(place: Place) -> None:
    place.patch.setattr("mcqa.data.files._LONGEST", 100)
    content("q.json.gz", gzip.compress(b"[" + b"\n" * 100))(place)


FILES = (
    Case("no such file", f"FILE: no such file. Files ending in {ENDINGS} are read.", make=absent),
    Case(
        "a folder without questions",
        "FILE: is a folder without a file that is read (.jsonl, .json, .csv, .tsv, .parquet). "
        "Name another.",
        make=a_folder,
    ),
    Case(
        "a pattern that no file has",
        "FILE: no file has such a name. Correct the pattern.",
        make=a_pattern,
    ),
    Case("an empty file", "FILE: the file holds no rows.", make=content("q.jsonl", "")),
    Case(
        "another kind of file",
        f"FILE: files ending in '.txt' {NOT_READ}",
        make=content("q.txt", LINE),
    ),
    Case("an archive", f"FILE: files ending in '.tar.gz' {NOT_READ}", make=content("q.tar.gz", "")),
    Case(
        "UTF-16",
        "FILE, line 1: not UTF-8 but UTF-16. Save the file as UTF-8.",
        make=content("q.jsonl", LINE.encode("utf-16")),
    ),
    Case(
        "Latin-1 in a .jsonl",
        "FILE, line 2: not UTF-8 (invalid continuation byte). Save the file as UTF-8.",
        make=content("q.jsonl", LINE.encode() + '{"question": "élan"}'.encode("latin-1")),
    ),
    Case(
        "Latin-1 in a .csv",
        "FILE, line 2: not UTF-8 (invalid continuation byte). Save the file as UTF-8.",
        make=content("q.csv", "question,A,B,label\né ,a,b,0\n".encode("latin-1")),
    ),
    Case(
        "a .gz cut short",
        "FILE: cannot be read (Compressed file ended before …).",
        make=content("q.jsonl.gz", gzip.compress(LINE.encode() * 9)[:-9]),
    ),
    Case(
        "a .gz that is none",
        "FILE: cannot be read (Not a gzipped file …).",
        make=content("q.jsonl.gz", LINE),
    ),
    Case(
        "a line without an end (268,435,456 bytes; 100 in this test)",
        "FILE, line 1: longer than 100 bytes, which is no question. "
        "Put every row on a line of its own.",
        make=a_long_line,
    ),
    Case(
        "a .json.gz that unpacks to too much (268,435,456 bytes; 100 in this test)",
        "FILE: unpacked it is longer than 100 bytes, and a .json file is read as a whole. "
        "Save it as .jsonl.gz, a row on each line, or unpack it yourself.",
        make=a_bomb,
    ),
    Case(
        "a .parquet that is none",
        "FILE: not a Parquet file that can be read (…).",
        make=content("q.parquet", LINE * 9),
    ),
    Case(
        "a line that is no JSON",
        f"FILE, line 2: not JSON (Expecting value, column 10). {JSON_REMEDY}",
        make=content("q.jsonl", LINE + '{"label":}'),
    ),
    Case(
        "a .json that is no JSON",
        f"FILE, line 3: not JSON (Expecting ',' delimiter, column 1). {JSON_REMEDY}",
        make=content("q.json", f"[{LINE}\n{LINE}]"),
    ),
    Case(
        "a list in a .jsonl",
        f"FILE, line 1: not JSON (Expecting value, column 2). {JSON_REMEDY}",
        make=content("q.jsonl", f"[\n{LINE}]"),
    ),
    Case(
        "a .json that is neither list nor object",
        "FILE: expected a list of rows or an object keyed by id, got 5.",
        make=content("q.json", "5"),
    ),
    Case(
        "one key twice in an object",
        "FILE: JSON that cannot be read (the key 'q1' stands twice in one object).",
        make=content("q.json", '{"q1": {}, "q1": {}}'),
    ),
    Case(
        "JSON nested too deeply",
        "FILE, line 2: JSON that cannot be read (…).",
        make=content("q.jsonl", LINE + "[" * 100_000),
    ),
    Case(
        "a row that is no object",
        "FILE, line 2: a row must be an object with named fields, got [1, 2].",
        make=content("q.jsonl", LINE + "[1, 2]\n"),
    ),
    Case(
        "a quote that is not closed in a .csv",
        "FILE, line 2: not CSV (unexpected end of data).",
        make=content("q.csv", 'question,A,B,label\n"which,a,b,0\n'),
    ),
    Case(
        "more cells than columns in a .csv",
        "FILE, line 2: 5 cells for 4 columns. A cell that holds a comma must stand in quotes: "
        '"a, b".',
        make=content("q.csv", "question,A,B,label\nwhich, then,a,b,0\n"),
    ),
    Case(
        "one column twice in a .csv",
        "FILE, line 1: the column 'A' stands twice in the header.",
        make=content("q.csv", "question,A,A,label\nwhich,a,b,0\n"),
    ),
    Case(
        "a header and nothing else",
        "FILE: the file holds no rows.",
        make=content("q.csv", "question,A,B,label\n"),
    ),
    Case(
        "fields of no known format",
        "FILE: no known format. Line 1 has the fields 'prompt', 'gold'. Map them with --field, "
        "like --field stem=FIELD --field options=FIELD --field label=FIELD, or rename them to fit "
        "a known format: …",
        make=content("q.jsonl", '{"prompt": "?", "gold": 1}'),
    ),
    Case(
        "rows of different formats",
        "FILE: the rows have different formats: line 1 is generic, line 2 is arc. Put them into "
        "separate files, or name the right one with --data-format.",
        make=rows(ARC),
    ),
    Case(
        "a name that is no file, without a split",
        "questions: no file of this name, so it is taken for a Hub data set, which needs a split, "
        "like validation. Correct the path, pass a split, or use 'bundled'.",
        SCORE.replace("FILE", "questions"),
    ),
    Case(
        "a split of a file",
        "FILE: a file has no splits, but split is 'test'. Leave it out, and give each split as a "
        "file of its own.",
        SCORE + " --split test",
    ),
    Case(
        "a split that the bundled questions lack",
        "the bundled questions have no split 'dev'; choose one of train, validation, test.",
        SCORE.replace("FILE", "bundled") + " --split dev",
    ),
)

ROWS = (
    Case("no stem", "FILE, line 2: the field 'question' is missing.", make=row("question")),
    Case(
        "an empty stem",
        "FILE, line 2: 'question' is ' '; expected a text that is not blank.",
        make=row(question=" "),
    ),
    Case(
        "a stem that is no text",
        "FILE, line 2: 'question' must be a text, got ['a'].",
        make=row(question=["a"]),
    ),
    Case(
        "half a character (a lone surrogate)",
        "FILE, line 2: 'question' is not valid Unicode (surrogates not allowed).",
        make=row(question="\ud800"),
    ),
    Case(
        "stem under two names",
        "FILE, line 2: the fields 'question' and 'stem' mean the same; keep one.",
        make=row(stem="Which?"),
    ),
    Case(
        "one option",
        "FILE, line 2: question 'q2': 1 options; a question has 2 to 255.",
        make=row(options=["pear"]),
    ),
    Case(
        "256 options",
        "FILE, line 2: question 'q2': 256 options; a question has 2 to 255.",
        make=row(options=[f"option {n}" for n in range(256)]),
    ),
    Case(
        "a blank option",
        "FILE, line 2: 'options' is ''; expected a text that is not blank.",
        make=row(options=["pear", ""]),
    ),
    Case(
        "options in one text",
        "FILE, line 2: 'options' must be a list of texts (in a CSV cell a JSON list, "
        """["yes", "no"]), got 'pear, saw'.""",
        make=row(options="pear, saw"),
    ),
    Case(
        "option columns with a gap",
        "FILE, line 2: no field 'options', and the option columns are A, B, D; expected "
        "'options', or A, B, ... without a gap.",
        make=row("options", A="a", B="b", D="d"),
    ),
    Case(
        "an id twice",
        "FILE, line 2: the id 'q1' is already that of line 1. Give every row an id of its own, or "
        "leave out the ids.",
        make=row(id="q1"),
    ),
    Case(
        "no label",
        "FILE, line 2: the field 'label' is missing; it may be null or empty where the answer is "
        "not known.",
        make=row("label"),
    ),
    Case(
        "a label out of range",
        "FILE, line 2: label 7 is out of range: with 2 options and label base 0 an index is 0 to "
        "1, null for none.",
        make=row(label=7),
    ),
    Case(
        "a label that counts from 1",
        "FILE, line 2: label 2 is out of range: with 2 options and label base 0 an index is 0 to "
        "1, null for none. If labels count from 1 in this file, pass --label-base 1.",
        make=row(label=2),
    ),
    Case(
        "a label that is true or false",
        "FILE, line 2: label True is no option's index, letter (A to B) or exact text; use null "
        "where it is not known.",
        make=row(label=True),
    ),
    Case(
        "a label with a fraction",
        "FILE, line 2: label 0.5 is no option's index, letter (A to B) or exact text; use null "
        "where it is not known.",
        make=row(label=0.5),
    ),
    Case(
        "a letter beyond the options",
        "FILE, line 2: label 'C' is no option's index, letter (A to B) or exact text; use null "
        "where it is not known.",
        make=row(label="C"),
    ),
    Case(
        "an answer that is no option",
        "FILE, line 2: label 'plum' is no option's index, letter (A to B) or exact text; use null "
        "where it is not known.",
        make=row(label="plum"),
    ),
    Case(
        "an answer that is two options",
        "FILE, line 2: label 'pear' can mean option A (by text) or option B (by text). Write the "
        "option's index counted from 0 as a JSON number, or a letter or index that is not the "
        "text of an option.",
        make=row(options=["pear", "pear"], label="pear"),
    ),
    Case(
        "an answer that is an index and an option",
        "FILE, line 2: label '1' can mean option B (by index) or option A (by text). Write the "
        "option's index counted from 0 as a JSON number, or a letter or index that is not the "
        "text of an option.",
        make=row(options=["1", "2"], label="1"),
    ),
    Case(
        "labels that may be marks",
        "FILE, line 2: label [0, 1] can be indexes, or a 1 for each right option. Write the "
        "letters of the right options instead.",
        make=row(label=[0, 1]),
    ),
    Case(
        "a kind that there is not",
        "FILE, line 2: 'kind' is 'ranking'; it must be choice, yes_no, scale, several. Leave it "
        "out for a choice, or map another field with --field kind=FIELD.",
        make=row(kind="ranking"),
    ),
    Case(
        "several right answers to a scale",
        "FILE, line 2: a question of kind 'scale' has one right answer, but the label names 2. "
        "Correct one of the two, or give it the kind 'several'.",
        make=row(kind="scale", label="A, B"),
    ),
    Case(
        "a 1 for yes, without options",
        "FILE, line 2: label 1 can mean yes or no, or be an index. Write true or false, or give "
        "the options.",
        make=row(kind="yes_no", options=None, label=1),
    ),
    Case(
        "no before yes",
        "FILE, line 2: a question of kind 'yes_no' has the option that says yes first, but the "
        "options are ['no', 'yes']. Swap them, and the label where it is an index.",
        make=row(kind="yes_no", options=["no", "yes"]),
    ),
    Case(
        "soft labels that do not sum to 1",
        "FILE, line 2: question 'q2': targets sum to 0.9; they must sum to 1.",
        make=row(targets=[0.5, 0.4]),
    ),
    Case(
        "a question without a type",
        "FILE, line 2: question 'a' must be an object whose 'type' is choice, noul, score, "
        "several, got {}.",
        SCORE + " --data-format systemone",
        make=content(
            "q.jsonl",
            json.dumps({"state": "s", "questions": {"b": {"type": "noul", "instructions": "?"}}})
            + "\n"
            + json.dumps({"state": "s", "questions": {"a": {}}}),
        ),
    ),
    Case(
        "several right answers, to train on",
        "FILE, line 2: question 'q2' has 2 right answers (A, B); one is needed here. Pass "
        "--unlabelled skip to leave such rows out (unlabelled= in Python).",
        TRAIN,
        row(label=["A", "B"]),
    ),
    Case(
        "a hidden label, to train on",
        "FILE, line 2: question 'q2' has no right answer; one is needed here. Pass --unlabelled "
        "skip to leave such rows out (unlabelled= in Python).",
        TRAIN,
        row(label=None),
    ),
    Case(
        "a label that is NaN, to train on",
        "FILE, line 2: question 'q2' has no right answer; one is needed here. Pass --unlabelled "
        "skip to leave such rows out (unlabelled= in Python).",
        TRAIN,
        row(label=float("nan")),
    ),
    Case(
        "a validation question without a label",
        "FILE: question 'q2' has no label, and validation needs one.",
        EVALUATE + " --data bundled --validation-data FILE",
        row(label=None),
    ),
    Case(
        "validation questions that are evaluated",
        "validation questions: 2 of 2 are evaluated too, 'q1' among them. What is fitted on the "
        "questions it is reported for looks better than it is; give others.",
        EVALUATE + " --validation-data FILE",
        row(question="Which is a tool?"),
    ),
    Case(
        "no row that can be read",
        "FILE: no question is left: 1 row rejected. The first: FILE, line 1: 'question' is ''; "
        "expected a text that is not blank.",
        SCORE + " --skip-invalid",
        content("q.jsonl", json.dumps(GOOD | {"question": ""})),
    ),
    Case(
        "no row with a label",
        "FILE: no question is left: 1 row without an answer skipped.",
        SCORE + " --unlabelled skip",
        content("q.jsonl", json.dumps(GOOD | {"label": None})),
    ),
    Case(
        "a MedMCQA label that counts from 0 or 1",
        "FILE, line 1: ambiguous labels. The file's 'cop' values are 2; only a 0 or a 4 would show "
        "where they start. Pass --label-base 0 (Hub copy) or --label-base 1 (raw release); "
        "label_base= in Python.",
        make=content("q.jsonl", json.dumps(MEDMCQA | {"cop": 2})),
    ),
    Case(
        "MedMCQA labels of both kinds",
        "FILE, line 1: 'cop' is 0, so labels would count from 0, but on FILE, line 2 it is 4, so "
        "they would count from 1. Correct the file, or split it in two.",
        make=content(
            "q.jsonl",
            "\n".join(json.dumps(MEDMCQA | {"id": n, "cop": n}) for n in (0, 4)),
        ),
    ),
    Case(
        "an answer key of no choice",
        "FILE, line 1: 'answerKey' is 'E', which is the label of no choice (A, B); use null where "
        "the answer is not known.",
        make=content("q.jsonl", json.dumps(ARC | {"answerKey": "E"})),
    ),
    Case(
        "options longer than the model's context",
        "question 'q2': its options and the template alone take more than max_length = 256 "
        "tokens; options are never cut. Raise --max-length or leave the question out.",
        make=row(options=["pear " * 200, "saw"]),
    ),
)
