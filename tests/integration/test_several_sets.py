"""`mcqa train` on several sets: what is read, what is recorded, what going on refuses."""

import json

import pytest


@pytest.fixture
def sets(tmp_path, tiny_questions):
    """Two files of one name: the first has 20 questions, the second the last 4 of these and 8 more.

    Their ids are row numbers, which both files share.
    """
    paths = []
    for folder, questions in (("a", tiny_questions[:20]), ("b", tiny_questions[16:28])):
        path = tmp_path / folder / "questions.jsonl"
        path.parent.mkdir()
        rows = [
            {"stem": f"{i} {q.stem}", "options": q.options, "label": q.label}
            for i, q in enumerate(questions, 0 if folder == "a" else 16)
        ]
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        paths.append(path)
    return paths


def flags(training, *sources):
    named = [flag for source in sources for flag in ("--train-data", source)]
    return [*training[:2], *training[4:], *named]


def test_sets_are_mixed_by_weight_and_recorded(command, training, sets, tmp_path):
    a, b = sets
    output = tmp_path / "run"
    data = [f"{a}=0.5", f"{b}=2", "bundled=0.01"]
    more = ["--validation-data", a, "--validation-limit", 3, "--output", output]
    result = command("train", "generative", *flags(training, *data), *more, "--max-steps", 1)
    assert result.code == 0, result.err
    record = json.loads((output / "run.json").read_text())
    of_a, of_b, bundled = record["train"]["sets"]
    assert (of_a["source"], of_a["n"], of_a["weight"], of_a["used"]) == (str(a), 20, 0.5, 10)
    assert (of_b["source"], of_b["n"], of_b["weight"], of_b["used"]) == (str(b), 12, 2, 24)
    assert (bundled["split"], bundled["used"]) == ("train", round(bundled["n"] / 100))
    assert record["train"]["n"] == 20 + 12 + bundled["n"]
    assert record["train"]["used"] == 10 + 24 + bundled["used"]
    assert len({one["sha256"] for one in record["train"]["sets"]}) == 3
    said = f"{record['train']['used']} questions an epoch: 10 of {a} (20 x 0.5), 24 of {b} (12 x 2)"
    assert said in result.err
    assert f"{b}: 4 of its 12 questions are in {a} too" in result.err
    assert f"{a}: 3 of the 3 validation questions are training questions here" in result.err
    card = (output / "README.md").read_text()
    assert f"12 from {b} (sha256 {of_b['sha256'][:12]}), weight 2" in card


def test_a_whole_weight_is_the_file_written_out_so_often(command, training, sets, tmp_path):
    a, b = sets
    written = tmp_path / "written.jsonl"
    written.write_text(a.read_text() + 2 * b.read_text())
    losses = []
    for name, sources in {"mixed": (a, f"{b}=2"), "plain": (written,)}.items():
        output = tmp_path / name
        result = command("train", "generative", *flags(training, *sources), "--output", output)
        assert result.code == 0, result.err
        losses.append(json.loads((output / "run.json").read_text())["train_loss"])
    assert losses[0] == losses[1]


def test_going_on_takes_the_same_part_and_refuses_another_weight(
    command, refused, training, sets, tmp_path, monkeypatch
):
    from mcqa.training.progress import TrainingLog

    def interrupt(self, step):
        if step == 2:
            raise KeyboardInterrupt

    a, b = sets
    mixed = ["train", "generative", *flags(training, a, f"{b}=1.5")]
    with monkeypatch.context() as patch:
        patch.setattr(TrainingLog, "on_save", interrupt)
        assert command(*mixed, "--output", tmp_path / "stopped").code == 130
    other = ["train", "generative", *flags(training, a, f"{b}=2")]
    message = refused(*other, "--output", tmp_path / "stopped", "--resume")
    changed = [line for line in message.splitlines() if " then, " in line]
    assert len(changed) == 1
    assert "training questions, set 2: '12 with checksum" in changed[0]
    assert "weight 1.5' then" in changed[0]
    assert "weight 2' now" in changed[0]
    assert command(*mixed, "--output", tmp_path / "stopped", "--resume").code == 0
    assert command(*mixed, "--output", tmp_path / "unbroken").code == 0
    sums = [
        json.loads((tmp_path / name / "run.json").read_text())["trained_sha256"]
        for name in ("stopped", "unbroken")
    ]
    assert sums[0] == sums[1]


def test_a_split_is_for_the_sets_that_have_splits(command, refused, training, sets, tmp_path):
    a, b = sets
    output = ["--output", tmp_path / "run", "--max-steps", 1]
    mixed = flags(training, a, "bundled=0.1")
    result = command("train", "generative", *mixed, "--split", "validation", *output)
    assert result.code == 0, result.err
    record = json.loads((tmp_path / "run" / "run.json").read_text())
    assert [one["split"] for one in record["train"]["sets"]] == [None, "validation"]
    message = refused(
        "train", "generative", *flags(training, a, b), "--split", "train", *output, "--overwrite"
    )
    assert "a file has no splits" in message
