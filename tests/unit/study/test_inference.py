import json

import numpy as np
import pytest

from mcqa.errors import ComparisonError, DataError
from mcqa.evaluation.crossed import difference, mean
from mcqa.prediction import Prediction, write_predictions
from mcqa.question import Question
from mcqa.study.grid import Cell
from mcqa.study.inference import Answered, correct_table, nll_table, read_cell, summarize_study

LABELS = (0, 1, 0, 2, 1, 0)
QUESTIONS = [
    Question(id=f"q{n}", stem="?", options=("x", "y", "z"), label=label)
    for n, label in enumerate(LABELS)
]


def predict(scores_NO, questions=QUESTIONS):
    return [
        Prediction.scored(question, list(map(float, scores)), unit="logit", scorer="s", tokens=1)
        for question, scores in zip(questions, scores_NO, strict=True)
    ]


@pytest.fixture
def study(tmp_path):
    """Write answers of 2 arms x 3 seeds, and return the cells and each arm's correct table."""
    rng = np.random.default_rng(0)
    cells, tables = [], {"a": [], "b": []}
    for seed in range(3):
        for arm in tables:
            scores_NO = rng.normal(size=(6, 3)) + (arm == "a") * np.eye(3)[list(LABELS)]
            folder = tmp_path / f"{arm}{seed}"
            folder.mkdir()
            write_predictions(folder / "predictions.jsonl", predict(scores_NO))
            tables[arm].append(scores_NO.argmax(1) == LABELS)
            names = {"name": folder.name, "arm": arm, "formulation": "generative", "scorer": None}
            where = {"data": "d", "model": "m", "size": None, "seed": seed, "settings": {}}
            cells.append((Cell(**names, **where), folder))
    return cells, {arm: np.array(table, dtype=float) for arm, table in tables.items()}


def summarize(cells):
    results = summarize_study(cells, {"d": QUESTIONS}, {"d": "file.jsonl"})
    assert json.loads(json.dumps(results, allow_nan=False))
    (condition,) = results["conditions"]
    return condition


def test_a_condition_holds_what_the_tables_say(study):
    cells, tables = study
    condition = summarize(cells)
    for arm in condition["arms"]:
        table = tables[arm["name"]]
        assert arm["accuracy"]["per_seed"] == pytest.approx(table.mean(1))
        low, high = mean(table).ci95
        assert arm["accuracy"]["ci95"] == pytest.approx((max(0, low), min(1, high)))
    (pair,) = condition["differences"]
    wanted = difference(tables["a"], tables["b"])
    assert pair["accuracy"]["ci95"] == wanted.ci95
    assert pair["accuracy"]["p_holm"] == pair["accuracy"]["p"] == wanted.p
    assert not condition["after_temperature"]


def test_the_order_of_answers_does_not_matter(study):
    cells, _ = study
    before = summarize(cells)
    folder = cells[-1][1]
    write_predictions(folder / "predictions.jsonl", read_cell(folder).tests[::-1])
    assert summarize(cells) == before


def test_other_questions_are_refused(study):
    cells, _ = study
    folder = cells[-1][1]
    write_predictions(folder / "predictions.jsonl", read_cell(folder).tests[1:])
    with pytest.raises(ComparisonError, match="answer different questions"):
        summarize(cells)


def test_missing_answers_are_refused(study):
    cells, _ = study
    folder = cells[0][1]
    (folder / "predictions.jsonl").write_text("")
    with pytest.raises(DataError, match="no predictions"):
        summarize(cells)


def test_where_nothing_varies_there_is_no_interval(study):
    """All runs right on all questions do not show that they will be on others."""
    cells, _ = study
    for _, folder in cells:
        write_predictions(folder / "predictions.jsonl", predict(np.eye(3)[list(LABELS)]))
    condition = summarize(cells)
    assert condition["arms"][0]["accuracy"] == {"value": 1, "ci95": None, "per_seed": [1, 1, 1]}
    (pair,) = condition["differences"]
    assert "nothing varies" in pair["accuracy"]["refused"]
    assert pair["questions_needed"] is None
    assert "nothing can be said" in pair["verdict"]


def test_intervals_of_accuracies_stay_within_0_and_1(study):
    cells, _ = study
    almost = np.eye(3)[list(LABELS)]
    almost[0] = [0, 1, 0]
    for cell, folder in cells:
        right = almost if cell.seed == 0 else np.eye(3)[list(LABELS)]
        write_predictions(folder / "predictions.jsonl", predict(right))
    ends = [arm["accuracy"]["ci95"] for arm in summarize(cells)["arms"]]
    assert [high for _, high in ends] == [1, 1]


def test_losses_are_after_a_temperature_for_all_runs_or_for_none(study):
    cells, _ = study
    plain = summarize(cells)
    rng = np.random.default_rng(1)
    held_out = predict(2 * rng.normal(size=(6, 3)) + np.eye(3)[list(LABELS)])
    for _, folder in cells[:-1]:
        write_predictions(folder / "validation_predictions.jsonl", held_out)
    assert summarize(cells) == plain
    write_predictions(cells[-1][1] / "validation_predictions.jsonl", held_out)
    calibrated = summarize(cells)
    assert calibrated["after_temperature"]
    assert calibrated["arms"][0]["accuracy"] == plain["arms"][0]["accuracy"]
    assert calibrated["arms"][0]["nll"]["value"] < plain["arms"][0]["nll"]["value"]


def test_a_loss_is_minus_the_log_probability_of_the_right_option():
    run = Answered(predict(np.log([[2, 1, 1]] * 6)), [])
    wanted = -np.log([[0.5, 0.25, 0.5, 0.25, 0.25, 0.5]])
    np.testing.assert_allclose(nll_table([run], calibrated=False), wanted)
    np.testing.assert_array_equal(correct_table([run]), [[1, 0, 1, 0, 0, 1]])


def test_generated_answers_have_no_loss(study):
    cells, _ = study
    without = {"scores": None, "probabilities": None, "unit": None}
    for _, folder in cells[:3]:
        rows = [answer.to_row() | without for answer in read_cell(folder).tests]
        write_predictions(folder / "predictions.jsonl", map(Prediction.from_row, rows))
    condition = summarize(cells)
    assert condition["arms"][0]["nll"] is None
    assert condition["differences"][0]["nll"] is None
    assert condition["differences"][0]["accuracy"]["ci95"]


def test_bundled_questions_are_clustered_by_fact(study, monkeypatch):
    cells, tables = study
    facts = {f"q{n}": "even" if n % 2 else "odd" for n in range(6)}
    monkeypatch.setattr("mcqa.study.inference.clusters_of", lambda questions, source: facts)
    condition = summarize(cells)
    assert condition["n_clusters"] == 2
    wanted = difference(tables["a"], tables["b"], clusters_N=np.arange(6) % 2)
    assert condition["differences"][0]["accuracy"]["ci95"] == wanted.ci95
