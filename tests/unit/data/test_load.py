"""`load_questions` and `data_fingerprint`: sources, settings, and the real files."""

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import datasets
import pytest

from mcqa import Question
from mcqa.data import data_commit, data_fingerprint, load_questions
from mcqa.errors import ConfigError, DataError

REAL = Path(__file__).parents[4] / "shared" / "data"
needs_real_data = pytest.mark.skipif(
    not REAL.is_dir(), reason="the folder ../shared/data with real question sets is absent"
)
COMMITS = {"main": "1" * 40, "v1": "a" * 40}
BUNDLED = [Question(id=f"b{i}", stem="Which?", options=("x", "y"), label=0) for i in range(3)]


def write_medmcqa(path, cops):
    options = {"opa": "w", "opb": "x", "opc": "y", "opd": "z"}
    rows = [{"question": "Which?", **options, "cop": cop} for cop in cops]
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return path


@pytest.fixture
def bundled(monkeypatch):
    """Put three questions in place of the bundled set and note the splits asked for."""
    splits = []

    def bundled_questions(split, kind):
        splits.append(split)
        return BUNDLED

    module = SimpleNamespace(bundled_questions=bundled_questions)
    monkeypatch.setitem(sys.modules, "mcqa.data.bundled", module)
    return splits


@pytest.fixture
def hub(monkeypatch):
    """Put a function in place of the Hub that notes its calls and returns two rows."""
    calls = []
    rows = [{"question": "Which?", "choices": ["x", "y"], "answer": i} for i in range(2)]

    def load_dataset(path, name=None, *, split, revision="main"):
        calls.append((path, name, split, *([] if revision == "main" else [revision])))
        files = {f"hf://datasets/{path}@{COMMITS.get(revision)}/data/dev.parquet": {}}
        info = datasets.DatasetInfo(download_checksums=files if revision in COMMITS else None)
        return datasets.Dataset.from_list(rows if split != "empty" else [], info=info)

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    return calls


# Settings


def test_limit_keeps_the_evidence_of_the_whole_file(tmp_path):
    path = write_medmcqa(tmp_path / "set.jsonl", [2, 3, 1, 4])
    questions = load_questions(path, limit=2)
    assert [(question.id, question.label) for question in questions] == [("set-1", 1), ("set-2", 2)]
    with pytest.raises(DataError, match="ambiguous"):
        load_questions(write_medmcqa(tmp_path / "short.jsonl", [2, 3]))


def test_a_limit_above_the_count_is_no_limit(tmp_path):
    path = write_medmcqa(tmp_path / "set.jsonl", [1, 4])
    assert load_questions(path, limit=9) == load_questions(str(path))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"limit": 0}, "limit is 0; .* at least 1"),
        ({"limit": 1.5}, r"limit is 1\.5"),
        ({"limit": True}, "limit is True"),
        ({"format": "squad"}, "format is 'squad'; it must be auto, medmcqa, arc, mmlu, .*generic"),
        ({"label_base": 2}, "label_base is 2; it must be 0, 1 or None"),
        ({"limit": 0, "format": "squad"}, "limit is 0.*format is 'squad'"),
        ({"split": "test"}, "a file has no splits, but split is 'test'"),
    ],
)
def test_settings_out_of_range(tmp_path, settings, message):
    path = write_medmcqa(tmp_path / "set.jsonl", [0])
    with pytest.raises(ConfigError, match=message):
        load_questions(path, **settings)


# Sources


def test_bundled_set(bundled):
    assert load_questions("bundled", limit=2) == BUNDLED[:2]
    assert load_questions("bundled", split="train") == BUNDLED
    assert bundled == ["test", "train"]


def test_bundled_set_takes_no_format_and_no_label_base(bundled):
    with pytest.raises(ConfigError, match="no format, label_base or fields"):
        load_questions("bundled", format="generic")
    with pytest.raises(ConfigError, match="no format, label_base or fields"):
        load_questions("bundled", label_base=0)


def test_hub_data_set(hub):
    questions = load_questions("owner/quiz", split="dev")
    assert hub == [("owner/quiz", None, "dev")]
    assert questions == [
        Question(id=f"quiz-{i + 1}", stem="Which?", options=("x", "y"), label=i) for i in range(2)
    ]


def test_hub_configuration_stands_after_a_colon(hub):
    load_questions("owner/quiz:hard", split="dev", limit=1)
    assert hub == [("owner/quiz", "hard", "dev")]


@pytest.mark.parametrize(
    ("source", "call"),
    [
        ("owner/quiz@v1", ("owner/quiz", None, "dev", "v1")),
        ("owner/quiz@refs/convert/parquet", ("owner/quiz", None, "dev", "refs/convert/parquet")),
        ("owner/quiz@v1:hard", ("owner/quiz", "hard", "dev", "v1")),
    ],
)
def test_a_hub_revision_stands_after_an_at_sign(hub, source, call):
    questions = load_questions(source, split="dev")
    assert hub == [call]
    assert [question.id for question in questions] == ["quiz-1", "quiz-2"]


def test_a_hub_data_set_is_known_by_its_commit(hub, bundled, tmp_path):
    assert data_commit("owner/quiz", "dev") == COMMITS["main"]
    assert data_commit("owner/quiz@v1:hard", "dev") == COMMITS["v1"]
    assert data_commit("owner/quiz@silent", "dev") is None
    assert data_commit("bundled") is None
    assert data_commit(write_medmcqa(tmp_path / "set.jsonl", [0])) is None


def test_hub_data_set_needs_a_split(hub):
    with pytest.raises(ConfigError, match=r"owner/quiz: no file of this name.* needs a split"):
        load_questions("owner/quiz")
    assert hub == []


def test_hub_split_without_rows(hub):
    with pytest.raises(DataError, match=r"owner/quiz \(empty\): the split holds no rows"):
        load_questions("owner/quiz", split="empty")


def test_hub_errors_name_the_row(hub):
    with pytest.raises(DataError, match=r"owner/quiz \(dev\), row 1: .*'opa'"):
        load_questions("owner/quiz", split="dev", format="medmcqa")


def test_hub_that_cannot_be_reached(monkeypatch):
    def load_dataset(*args, **settings):
        raise ConnectionError("no route")

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    for action in (load_questions, data_fingerprint):
        with pytest.raises(DataError, match=r"'dev'.*ConnectionError: no route.*Check.*path"):
            action("owner/quiz", split="dev")


@pytest.mark.parametrize(
    "source", ["none.jsonl", "owner/none.csv", "./none", "/none", "a/b/none", "~/none", "a\\none"]
)
def test_a_path_that_does_not_exist_is_not_looked_for_on_the_hub(hub, source):
    with pytest.raises(DataError, match=r"no such file.*\.jsonl, \.json, \.csv, \.tsv, \.parquet"):
        load_questions(source)
    assert hub == []


def test_a_path_object_is_a_file_whatever_its_name(hub):
    with pytest.raises(DataError, match="no such file"):
        load_questions(Path("owner/quiz"))


def test_an_existing_folder_is_not_looked_for_on_the_hub(hub, tmp_path, monkeypatch):
    (tmp_path / "owner" / "quiz").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match="is a folder"):
        load_questions("owner/quiz")


def test_loading_a_file_imports_neither_torch_nor_datasets(tmp_path):
    path = write_medmcqa(tmp_path / "set.jsonl", [0])
    code = (
        "import sys; from mcqa.data import load_questions; load_questions(sys.argv[1]);"
        "print(sorted({'torch', 'datasets', 'pandas'} & set(sys.modules)))"
    )
    root = Path(__file__).parents[3]
    command = [sys.executable, "-c", code, str(path)]
    result = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)
    assert result.stdout == "[]\n"


# Fingerprints


def test_fingerprint_of_a_file_is_its_sha256(tmp_path):
    path = tmp_path / "set.jsonl"
    path.write_bytes(b"abc")
    # echo -n abc | sha256sum
    expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert data_fingerprint(path) == data_fingerprint(str(path)) == expected
    with pytest.raises(ConfigError, match="a file has no splits"):
        data_fingerprint(path, "test")


def test_fingerprint_of_the_bundled_set_changes_with_any_field(bundled, monkeypatch):
    before = data_fingerprint("bundled")
    assert before == data_fingerprint("bundled", "test")
    changed = Question(id="b2", stem="Which?", options=("x", "y"), label=1)
    module = sys.modules["mcqa.data.bundled"]
    monkeypatch.setattr(module, "bundled_questions", lambda split, kind: [*BUNDLED[:2], changed])
    assert data_fingerprint("bundled") != before


def test_fingerprint_of_a_hub_data_set_changes_with_any_field(hub, monkeypatch):
    before = data_fingerprint("owner/quiz", "dev")
    assert before == data_fingerprint("owner/quiz@v1", "dev")
    changed = datasets.Dataset.from_list([{"question": "Which?", "choices": ["x"], "answer": 0}])
    monkeypatch.setattr(datasets, "load_dataset", lambda *source, split: changed)
    assert data_fingerprint("owner/quiz", "dev") != before


# Real files


@needs_real_data
def test_real_medmcqa_is_read_whole_and_counted_from_1():
    path = REAL / "medmcqa_dev.jsonl"
    questions = load_questions(path)
    assert len(questions) == 4183
    assert questions[0].answer == (
        "Impulse through myelinated fibers is slower than non-myelinated fibers"
    )
    assert questions[0].subject == "Physiology"
    # How often the file's text has "cop":1, 2, 3 and 4.
    assert Counter(q.label for q in questions) == {0: 1348, 1: 1085, 2: 925, 3: 825}
    assert load_questions(path, limit=5) == questions[:5]
    assert data_fingerprint(path).startswith("a2b5f53890f4e742")


@needs_real_data
@pytest.mark.parametrize(("name", "count"), [("dev", 1221), ("train", 9741)])
def test_real_commonsenseqa(name, count):
    questions = load_questions(REAL / f"commonsenseqa_{name}.jsonl")
    assert len(questions) == count
    assert {len(question.options) for question in questions} == {5}
    assert all(question.label is not None for question in questions)
