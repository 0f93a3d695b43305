"""`mcqa distill`: a teacher's probabilities beside questions, whole, stopped and shared."""

import json
from dataclasses import replace

import pytest

import mcqa
from mcqa.scoring.scorer import Scorer


@pytest.fixture
def distill(command, question_file, tmp_path):
    def run(teacher, *settings, output="taught.jsonl", code=0):
        flags = ["--data", question_file, "--output", tmp_path / output, *settings]
        result = command("distill", teacher, *flags)
        assert result.code == code, result.err
        return result

    return run


@pytest.fixture
def lines(tmp_path):
    return lambda name="taught.jsonl": list(map(json.loads, (tmp_path / name).open()))


@pytest.fixture(scope="module")
def calibrated(run_main, training, tiny_questions, tmp_path_factory):
    """A run that knows its temperature: of its validation questions every third is labelled wrong.

    And each asks for the same as a training question in other words.
    """
    folder = tmp_path_factory.mktemp("calibrated") / "run"
    validation = folder.with_name("validation.jsonl")
    rows = [
        {
            "question": f"{q.stem} Or not?",
            "options": q.options,
            "label": (q.label + (number % 3 == 0)) % len(q.options),
        }
        for number, q in enumerate(tiny_questions)
    ]
    validation.write_text("".join(json.dumps(row) + "\n" for row in rows))
    flags = ["--validation-data", validation, "--output", folder]
    assert run_main("train", "multiple-choice", *training, *flags) == 0
    return folder


def test_targets_are_the_calibrated_probabilities(distill, lines, calibrated, question_file):
    questions = mcqa.load_questions(question_file)
    result = distill(calibrated, "--format", "json")
    scorer = mcqa.load_scorer(str(calibrated), device="cpu")
    temperature = json.loads(result.out)["temperature"]
    assert temperature == scorer.temperature > 0
    assert f"probabilities are over temperature {temperature:.3g}" in result.err
    assert "No temperature is known" not in result.err
    asked = [mcqa.Question(**row) for row in lines()]
    assert [replace(question, targets=None) for question in asked] == questions
    predictions = scorer.score_many(questions)
    for question, prediction in zip(asked, predictions, strict=True):
        assert question.targets == pytest.approx(prediction.calibrated(temperature).probabilities)
        assert question.targets != pytest.approx(prediction.probabilities, abs=1e-6)


def test_a_teacher_without_a_temperature_says_so(distill, lines, tiny_model_folder):
    result = distill(tiny_model_folder, "--scorer", "text", "--limit", 4)
    assert "probabilities are not calibrated" in result.err
    assert "No temperature is known" in result.err
    assert result.out.startswith("accuracy of the teacher")
    assert all(sum(row["targets"]) == pytest.approx(1) for row in lines())
    assert len(lines()) == 4


def test_it_goes_on_where_it_was_stopped(distill, runs, tmp_path, monkeypatch):
    flags = [runs["multiple-choice"], "--template", "lettered", "--orders", "cyclic", "--average"]
    flags += ["--batch-size", 3]
    score_batch, done = Scorer._score_batch, []

    def score(self, batch):
        if len(done) == 20:
            raise KeyboardInterrupt
        done.append(batch)
        return score_batch(self, batch)

    assert "36 questions x 2 to 5 orders = 126" in distill(*flags, output="unbroken.jsonl").err
    monkeypatch.setattr(Scorer, "_score_batch", score)
    stopped = distill(*flags, code=130)
    assert "the same command goes on from there" in stopped.err
    assert not (tmp_path / "taught.jsonl").exists()
    done[:] = [None] * 21  # past the interruption
    assert "60 answers are taken over" in distill(*flags).err
    assert len(done) - 21 == 42 - 20
    unbroken = tmp_path / "unbroken.jsonl"
    assert (tmp_path / "taught.jsonl").read_bytes() == unbroken.read_bytes()
    assert not list(tmp_path.glob("*.partial*"))


def test_a_finished_file_is_replaced_on_request_alone(distill, lines, runs):
    distill(runs["generative"], "--limit", 3)
    assert "is there already" in distill(runs["generative"], "--limit", 2, code=2).err
    assert len(lines()) == 3
    distill(runs["generative"], "--limit", 2, "--overwrite")
    assert len(lines()) == 2


def test_two_processes_write_what_one_does(distill, two, runs, question_file, tmp_path):
    flags = [runs["multiple-choice"], "--template", "lettered", "--orders", 2, "--average"]
    distill(*flags)
    more = ["--data", question_file, "--output", tmp_path / "two.jsonl"]
    ended = two("-m", "mcqa", "distill", *flags, *more)
    assert ended.returncode == 0, ended.stderr
    assert ended.stderr.count("Questions with targets:") == 1
    assert (tmp_path / "two.jsonl").read_bytes() == (tmp_path / "taught.jsonl").read_bytes()
