"""The demo on each kind of bundled questions, with answers made up in place of a model's."""

import contextlib

import pytest

from mcqa.data import BUNDLED_BY_KIND, load_questions
from mcqa.evaluating import demo
from mcqa.evaluating.clusters import clusters_of
from mcqa.evaluating.folder import Evaluation, Validation, write_answers
from mcqa.evaluation.metrics import summarize
from mcqa.prediction import Prediction


@pytest.fixture
def run(monkeypatch, tmp_path):
    """Run the demo; the untrained scorer `letter` is right most often, `text` never."""
    trained = []

    def train(formulation, settings, announce, progress):
        trained.append((formulation, settings))

    def evaluate(spec, name, questions, folder, **_):
        wrong = {"untrained, text": 1, "untrained, text-mean": 2}.get(name, 10)
        predictions = [
            _answer(question, right=bool(number % wrong))
            for number, question in enumerate(questions)
        ]
        folder.mkdir(parents=True, exist_ok=True)
        metrics, held = summarize(predictions, 1.0, None), Validation([], "None.")
        made = Evaluation(name, folder, "head", "cloze", predictions, metrics, None, held)
        write_answers(made)
        return made

    monkeypatch.setattr(demo, "train", train)
    monkeypatch.setattr(demo, "evaluate", evaluate)

    def start(kind):
        progress = lambda *_: contextlib.nullcontext(lambda *_: None)  # noqa: E731
        how = {"train_questions": None, "seed": 0, "announce": lambda line: None, "details": {}}
        return demo.run_demo(tmp_path, kind=kind, progress=progress, **how), trained

    return start


def _answer(question, *, right):
    label = question.label if isinstance(question.label, tuple) else (question.label,)
    places = range(len(question.options))
    scores = [1.0 if (place in label) == right else -1.0 for place in places]
    return Prediction.scored(question, scores, unit="logit", scorer="head", tokens=3)


@pytest.mark.parametrize("kind", BUNDLED_BY_KIND)
def test_each_kind_goes_the_same_road(run, read, tmp_path, kind):
    (evaluations, comparisons), trained = run(kind)
    source = BUNDLED_BY_KIND[kind]
    for formulation, (name, settings) in zip(
        ("generative", "multiple_choice"), trained, strict=True
    ):
        assert name == formulation
        assert (settings.data, settings.validation_split) == ((source,), "validation")
    record = read(tmp_path / "evaluation.json")
    test = load_questions(source, split="test")
    assert {question.kind for question in test} == {kind}
    assert record["data"]["source"] == source
    assert record["data"]["n"] == len(test)
    assert record["clusters"] == clusters_of(test, source=source)
    assert record["compared"] == ["generative", "multiple choice", "untrained, letter"]
    assert record["details"]["Data"].startswith(f"{source}, test split: {len(test)} questions ")
    assert len(evaluations) == 5
    assert comparisons


def test_those_with_several_right_answers_belong_together_by_table():
    test = load_questions("bundled-several", split="test")
    tables = clusters_of(test, source="bundled-several")
    assert {"several/capitals", "several/symbols"} <= set(tables.values())
    assert all(id.startswith(f"{table}/") for id, table in tables.items())


def test_ordered_ones_belong_together_by_what_they_ask_about():
    test = load_questions("bundled-scale", split="test")
    things = clusters_of(test, source="bundled-scale")
    assert all(id.rpartition("/")[0] == thing for id, thing in things.items())
    assert 1 < len(set(things.values())) < len(test)
