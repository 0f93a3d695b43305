"""Answers that are kept on the way: what is taken over, what is cut off and what is refused."""

import json
import time
from types import SimpleNamespace

import pytest

from mcqa.errors import ConfigError, RunError
from mcqa.prediction import Prediction
from mcqa.scoring.partial import Partial, partial_path

WORK = {"template": "cloze", "batch_size": 2}
WRITTEN = Prediction(
    id="w\u2028",
    label=None,
    choice=None,
    scores=None,
    probabilities=None,
    unit=None,
    scorer="generate",
    tokens=3,
    text="line\u2028line",
    parsed="unparsed",
)


@pytest.fixture
def scorer():
    return SimpleNamespace(device="cpu", batch_limit=None)


@pytest.fixture
def path(tmp_path):
    return partial_path(tmp_path / "p.jsonl")


@pytest.fixture
def batches(answer):
    """Three batches, of two, two and one predictions."""
    answers = answer("1" * 12)
    return [answers[:2], [answers[2], WRITTEN], answers[3:4]]


@pytest.fixture
def kept(path, scorer, batches):
    """Keep two of the batches, the first one halved, and return the file's bytes."""
    with Partial(path, WORK, scorer) as partial:
        part = partial.part("questions")
        scorer.batch_limit = 1
        for number in (0, 1):
            part[number] = batches[number]
    return path.read_bytes()


def test_the_file_is_beside_the_output():
    assert partial_path("runs/p.jsonl").as_posix() == "runs/p.partial.jsonl"
    assert partial_path("runs/p").as_posix() == "runs/p.partial"


def test_whole_batches_are_taken_over_as_they_were(path, kept, batches):
    said, scorer = [], SimpleNamespace(device="cpu", batch_limit=None)
    with Partial(path, WORK, scorer, announce=said.append) as partial:
        assert said == [f"4 answers are taken over from {path}"]
        assert dict(partial.part("questions")) == {0: batches[0], 1: batches[1]}
        assert dict(partial.part("validation")) == {}
        assert scorer.batch_limit == 1
        lines = [json.loads(line) for line in path.read_bytes().split(b"\n")[1:3]]
        before, started = sum(line["seconds"] for line in lines), time.perf_counter()
        seconds = partial.part("questions").seconds
        assert 0 < before < seconds < before + time.perf_counter() - started


@pytest.mark.parametrize("tail", [b'{"part": "questions", "ba', b"\x00\x00\x00", b"\xff\n{}\n"])
def test_a_torn_line_is_cut_off_and_its_batch_missing(path, scorer, kept, batches, tail):
    path.write_bytes(kept + tail)
    with Partial(path, WORK, scorer) as partial:
        assert path.read_bytes() == kept
        part = partial.part("questions")
        assert list(part) == [0, 1]
        part[2] = batches[2]
    with Partial(path, WORK, scorer) as partial:
        assert partial.part("questions") == dict(enumerate(batches))


def test_a_line_that_lacks_its_end_alone_is_cut_off_too(path, scorer, kept, batches):
    path.write_bytes(kept[:-1])
    with Partial(path, WORK, scorer) as partial:
        part = partial.part("questions")
        assert list(part) == [0]
        part[1], part[2] = batches[1:]
    with Partial(path, WORK, scorer) as partial:
        assert partial.part("questions") == dict(enumerate(batches))


def test_a_second_process_is_refused(path, scorer, kept):
    with Partial(path, WORK, scorer):
        for overwrite in (False, True):
            with pytest.raises(ConfigError, match=f"{path} is in use by another process"):
                Partial(path, WORK, scorer, overwrite=overwrite)
        assert path.read_bytes() == kept
    with pytest.raises(ConfigError, match="of other work"):
        Partial(path, {}, scorer)
    with Partial(path, WORK, scorer) as partial:
        assert partial.answers == 4
        partial.finish()
        assert not path.exists()
    assert not list(path.parent.iterdir())


@pytest.mark.parametrize("name", ["p.partial.jsonl", "p.partial.jsonl.1"])
def test_a_link_is_not_followed(path, scorer, kept, tmp_path_factory, name):
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "kept"
    elsewhere.write_bytes(kept + b"torn")
    (path.parent / name).unlink(missing_ok=True)
    (path.parent / name).symlink_to(elsewhere)
    with pytest.raises(ConfigError, match=f"{name} leads out of"):
        Partial(path, WORK, scorer)
    assert elsewhere.read_bytes() == kept + b"torn"


def test_other_work_is_refused_and_says_what_changed(path, scorer, kept):
    with pytest.raises(ConfigError) as told:
        Partial(path, WORK | {"template": "lettered", "chat": True}, scorer)
    message = str(told.value)
    assert f"{path} holds 4 answers of other work" in message
    assert "template: 'cloze' then, 'lettered' now" in message
    assert "chat: None then, True now" in message
    assert "batch_size" not in message
    assert "--overwrite" in message
    assert path.read_bytes() == kept


def test_overwriting_forgets_the_answers(path, scorer, kept):
    with Partial(path, WORK | {"template": "lettered"}, scorer, overwrite=True) as partial:
        assert partial.answers == 0
        assert not partial.part("questions")


@pytest.mark.parametrize("content", ["", "years of work\n", '{"id": "q0"}\n'])
def test_a_file_of_somebody_else_is_left_alone(path, scorer, content):
    path.write_text(content)
    with pytest.raises(ConfigError, match="not answers that mcqa kept"):
        Partial(path, WORK, scorer)
    assert path.read_text() == content


def test_an_interruption_says_what_is_kept(path, scorer, batches):
    def interrupted():
        with Partial(path, WORK, scorer) as partial:
            partial.part("questions")[0] = batches[0]
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt, match=f"2 answers are kept in {path}; the same command"):
        interrupted()


def test_a_full_disk_is_one_line_and_keeps_what_there_was(path, scorer, kept, batches):
    with Partial(path, WORK, scorer) as partial:
        partial._file.close()
        with open("/dev/full", "ab") as partial._file:
            with pytest.raises(RunError, match="No space left on device"):
                partial.part("questions")[2] = batches[2]
            partial._file.raw.close()
    assert path.read_bytes() == kept
