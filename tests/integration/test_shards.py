"""Shards that are put together are the predictions of one process, to the last bit."""

import itertools
import json

import pytest

from mcqa.prediction import read_predictions
from mcqa.scoring.shards import record_path

SHARDS = (1, 2, 5, 12)


@pytest.fixture
def whole(command, scoring, tmp_path):
    """Score all questions in one process, with more flags, and return the file's bytes."""

    def run(*flags):
        output = tmp_path / "whole.jsonl"
        assert command("score", *scoring, *flags, "--output", output).code == 0
        return output.read_bytes()

    return run


@pytest.fixture
def shards(command, scoring, tmp_path):
    """Score N shards, the last first, and return their files in that order."""

    def run(n, *flags):
        files = [tmp_path / f"part-{number}-of-{n}.jsonl" for number in range(n, 0, -1)]
        for number, file in zip(range(n, 0, -1), files, strict=True):
            told = ["--shard", f"{number}/{n}", "--output", file]
            result = command("score", *scoring, *flags, *told)
            assert result.code == 0, result.err
        return files

    return run


@pytest.mark.bits
@pytest.mark.parametrize("flags", [(), ("--block", 10)], ids=["all", "blocks"])
def test_shards_put_together_are_the_file_of_one_process(command, shards, whole, flags, tmp_path):
    alone = whole(*flags)
    for n in SHARDS:
        files = shards(n, *flags)
        counts = [len(file.read_text().splitlines()) for file in files]
        assert sum(counts) == 36
        assert all(counts)
        output = tmp_path / "merged.jsonl"
        assert command("merge-predictions", *files, "--output", output).code == 0
        assert output.read_bytes() == alone


@pytest.fixture(scope="module")
def several_file(data_folder, tiny_questions):
    """12 questions, every second of which may have several right answers."""
    path = data_folder / "several.jsonl"
    rows = [
        {"id": q.id, "question": q.stem, "options": q.options, "label": q.label}
        for q in tiny_questions[:12]
    ]
    for row in rows[::2]:
        row |= {"kind": "several", "label": [row["label"]]}
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.mark.bits
def test_questions_that_are_split_come_out_whole(
    command, tiny_model_folder, several_file, tmp_path
):
    """Parts are scored in batches of 2, so that two shards have parts of one question."""
    flags = ["--model", tiny_model_folder, "--scorer", "text", "--data", several_file]
    flags += ["--batch-size", 2, "--block", 6]
    alone = tmp_path / "alone.jsonl"
    assert command("score", *flags, "--output", alone).code == 0
    files = [tmp_path / f"{number}.jsonl" for number in (1, 2, 3)]
    for number, file in enumerate(files, 1):
        told = ["--shard", f"{number}/3", "--output", file]
        assert command("score", *flags, *told).code == 0
    judged = [json.loads(record_path(file).read_text())["judged"] for file in files]
    assert any(set(one) & set(other) for one, other in itertools.combinations(judged, 2))
    merged = tmp_path / "merged.jsonl"
    assert command("merge-predictions", *files, "--output", merged).code == 0
    assert merged.read_bytes() == alone.read_bytes()
    assert [p.kind for p in read_predictions(merged)] == ["several", "choice"] * 6


def test_means_over_orders_are_not_scored_in_shards(refused, scoring, tmp_path):
    flags = ["--orders", "cyclic", "--average", "--output", tmp_path / "p.jsonl"]
    for more in (["--shard", "1/2"], ["--block", 10]):
        assert "leave out --average, or --block" in refused("score", *scoring, *flags, *more)


def test_shards_have_the_batches_of_one_process(shards, whole, monkeypatch):
    """Equal bits could be luck on one kind of CPU; equal batches are the reason."""
    from mcqa.scoring.scorer import Scorer

    seen, score_batch = [], Scorer._score_batch

    def watch(self, batch):
        seen.append(tuple(each.question.id for each in batch))
        return score_batch(self, batch)

    monkeypatch.setattr(Scorer, "_score_batch", watch)
    whole("--block", 10)
    alone = sorted(seen)
    assert all(len({int(id[1:]) // 10 for id in batch}) == 1 for batch in alone)
    seen.clear()
    shards(5, "--block", 10)
    assert sorted(seen) == alone


def test_what_is_no_whole_set_of_shards_is_refused(command, refused, scoring, shards, tmp_path):
    merged = tmp_path / "merged.jsonl"

    def fault(*files):
        return refused("merge-predictions", *files, "--output", merged)

    three, two, one = shards(3)
    assert "1 of 3 shards missing: 2/3." in fault(three, one)
    assert "are both shard 1/3" in fault(one, two, one)
    (other,) = shards(1)
    assert "shards: 3 then, 1 now" in fault(one, other)
    lettered = tmp_path / "lettered.jsonl"
    flags = ["--template", "lettered", "--shard", "2/3", "--output", lettered]
    assert command("score", *scoring, *flags).code == 0
    assert "template: 'cloze' then, 'lettered' now" in fault(one, lettered, three)
    lines = two.read_text().splitlines(keepends=True)
    two.write_text("".join(lines[:-1]))
    assert "Score shard 2/3 again" in fault(one, two, three)
    record_path(two).unlink()
    assert "part-2-of-3.shard.json" in fault(one, two, three)
    assert not merged.exists()


@pytest.mark.parametrize("shard", ["0/3", "4/3", "2", "a/b", "1/", "-1/2"])
def test_what_is_no_shard_is_refused(refused, scoring, shard, tmp_path):
    message = refused("score", *scoring, "--shard", shard, "--output", tmp_path / "p.jsonl")
    assert f"shard '{shard}': must be I/N with I from 1 to N" in message


def test_more_shards_than_batches_are_refused(refused, scoring, tmp_path):
    message = refused("score", *scoring, "--shard", "1/13", "--output", tmp_path / "p.jsonl")
    assert "only 12 batches" in message


def test_a_shard_goes_on_and_is_no_other_one(command, refused, scoring, tmp_path, monkeypatch):
    from mcqa.scoring.scorer import Scorer

    output, score_batch, done = tmp_path / "p.jsonl", Scorer._score_batch, []

    def stop(self, batch):
        if len(done) == 3:
            raise KeyboardInterrupt
        done.append(batch)
        return score_batch(self, batch)

    monkeypatch.setattr(Scorer, "_score_batch", stop)
    assert command("score", *scoring, "--shard", "1/2", "--output", output).code == 130
    assert "shard: '1/2' then, '2/2' now" in refused(
        "score", *scoring, "--shard", "2/2", "--output", output
    )
    done.clear()
    assert command("score", *scoring, "--shard", "1/2", "--output", output).code == 0
    assert len(done) == 3
    assert json.loads(record_path(output).read_text())["shard"] == 1
