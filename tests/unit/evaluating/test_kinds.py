"""An evaluation of questions of every kind: each kind by itself, in every file, nowhere mixed."""

import csv
import json

import pytest
from click.testing import CliRunner
from mixed_answers import answer, mixed_questions, questions_of

from mcqa.cli.common import print_evaluations
from mcqa.cli.compare import command as compare_command
from mcqa.evaluating.analysis import compare_kinds, describe, one_sided, per_question
from mcqa.evaluating.clusters import clusters_of
from mcqa.evaluating.folder import Evaluation, Record, Validation, write_answers, write_record
from mcqa.evaluating.results import redraw, write_results
from mcqa.evaluation.metrics import summarize
from mcqa.evaluation.pairing import align_kinds
from mcqa.evaluation.table import metrics_of, own_metrics
from mcqa.kinds import KINDS
from mcqa.prediction import write_predictions

N = 24


@pytest.fixture(scope="module")
def questions():
    return mixed_questions(N)


@pytest.fixture(scope="module")
def runs(questions):
    return {f"run {seed}": answer(questions, seed=seed, strength=0.5 + seed) for seed in range(2)}


@pytest.fixture(scope="module")
def evaluated(questions, runs, tmp_path_factory):
    """Return a folder with two runs' evaluation, the evaluations and the comparisons."""
    folder = tmp_path_factory.mktemp("evaluation")
    # no validation question is a plain choice
    held_out = [q for kind in ("yes_no", "scale", "several") for q in questions_of(kind, 9, seed=5)]
    evaluations = []
    for place, (name, predictions) in enumerate(runs.items()):
        place = folder / name.replace(" ", "-")
        place.mkdir()
        validation = Validation(answer(held_out, seed=7), "27 others")
        about = "text", "cloze", predictions, summarize(predictions, 4.0, 10**8), None, validation
        evaluations.append(Evaluation(name, place, *about))
        write_answers(evaluations[-1])
    clusters = clusters_of(questions, source="mixed.jsonl")
    record = Record("A title", {}, evaluations, questions, clusters=clusters)
    write_record(folder, record)
    return folder, evaluations, write_results(folder, record)


def test_a_summary_averages_nothing_over_kinds(questions, runs):
    summary = summarize(runs["run 0"], 2.0)
    assert (summary["n"], summary["accuracy"], summary["chance"]) == (4 * N, None, None)
    assert summary["questions_per_second"] == 2 * N
    for kind, own in summary["kinds"].items():
        predictions = [p for p in runs["run 0"] if p.kind == kind]
        assert own["n"] == N
        assert own["accuracy"] == sum(p.correct for p in predictions) / N
        chances = [KINDS[kind].chance(len(p.scores)) for p in predictions]
        assert own["chance"] == pytest.approx(sum(chances) / N)
    several = [p for p in runs["run 0"] if p.kind == "several"]
    assert summarize(several)["accuracy"] == summary["kinds"]["several"]["accuracy"]


def test_each_kind_is_described_as_if_there_were_no_other(questions, runs):
    described = describe(runs["run 1"], questions, 2.0)["kinds"]
    assert list(described) == list(KINDS)
    for kind, found in described.items():
        assert list(found["metrics"]) == list(metrics_of(kind))
        assert ("positions" in found) == (kind == "choice")
        own = [p for p in runs["run 1"] if p.kind == kind]
        alone = describe(own, questions, 2.0)
        alone = alone["kinds"][kind] if "kinds" in alone else alone
        assert {name: alone[name] for name in found} == found
        assert set(found["per_subject"]) == {"Art", "Law"}


def test_comparisons_are_those_of_each_kind_alone(runs):
    results = compare_kinds(align_kinds(runs), seed=3)
    assert [result["kind"] for result in results] == list(KINDS)
    for result in results:
        own = {name: [p for p in run if p.kind == result["kind"]] for name, run in runs.items()}
        (alone,) = compare_kinds(align_kinds(own), seed=3)
        assert {"kind": result["kind"]} | alone == result
        assert ("kind" in alone) == (result["kind"] != "choice")


def test_the_files_hold_each_kind(evaluated):
    folder, _, comparisons = evaluated
    metrics = json.loads((folder / "run-0" / "metrics.json").read_text())
    compared = json.loads((folder / "comparison.json").read_text())
    assert list(compared) == ["kinds"]
    for place, kind in enumerate(KINDS):
        found = metrics["kinds"][kind]
        assert (found["calibration"]["temperature"] is None) == (kind == "choice")
        assert {"kind": kind} | compared["kinds"][kind] == comparisons[place]
        assert compared["kinds"][kind]["clusters"]["n"] < N
    note = "No temperature is known: none of 27 others is of this kind."
    assert metrics["kinds"]["choice"]["calibration"]["note"] == note
    names = {path.name for path in (folder / "plots").iterdir()}
    assert {f"{kind.replace('_', '-')}-accuracy.svg" for kind in KINDS} < names
    assert "choice-positions.svg" in names
    assert "several-positions.svg" not in names
    assert "cost.svg" not in names


def test_it_is_drawn_again_as_it_was(evaluated):
    folder, *_ = evaluated
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    redraw(folder)
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("name", ["report.html", "report.md"])
def test_the_page_has_a_section_of_each_kind(evaluated, name):
    folder, _, comparisons = evaluated
    page = (folder / name).read_text().replace("\\_", "_")
    for comparison in comparisons:
        kind = comparison["kind"]
        assert f"{kind}: Further metrics" in page
        assert f"Accuracy ({kind}, n = {N}, 95% interval)" in page
        assert f"Mean over 2 subjects ({kind})" in page
        for metric in own_metrics(kind):
            assert page.count(metric.heading) >= 2, metric
    assert "several: Are options right as often as it says?" in page
    assert "several: Does the position matter?" not in page


def test_the_console_has_a_table_of_each_kind(evaluated, capsys):
    _, evaluations, comparisons = evaluated
    print_evaluations(evaluations, comparisons)
    said = capsys.readouterr().out
    places = [said.index(f"Questions of the kind {kind}") for kind in KINDS]
    assert places == sorted(places)
    verdicts = [said.index(comparison["verdict"]) for comparison in comparisons]
    assert all(a < b for a, b in zip(places, verdicts, strict=True))
    assert all(a < b for a, b in zip(verdicts, places[1:], strict=False))
    assert "over subjects" in said


def test_rows_of_a_kind_stand_together_and_a_set_is_one_cell(questions, runs):
    text = per_question(runs, {q.id: q for q in questions})
    head, *rows = csv.reader(text.splitlines())
    assert head[:5] == ["id", "kind", "subject", "label", "run 0 choice"]
    assert [row[1] for row in rows] == [kind for kind in KINDS for _ in range(N)]
    by_id = {p.id: p for p in runs["run 0"]}
    for row in rows:
        prediction = by_id[row[0]]
        if prediction.kind == "several":
            assert row[3] == " ".join(map(str, prediction.label))
            assert 0 <= float(row[6]) <= 1
        assert row[5] == str(int(prediction.correct))


def test_examples_name_the_texts_of_sets(questions, runs):
    answers = align_kinds(runs)["several"]
    shown = one_sided(*answers.values(), {q.id: q for q in questions})
    by_id = {q.id: q for q in questions}
    assert shown["b_only"]
    for example in shown["b_only"]:
        question = by_id[example["id"]]
        assert example["answer"] == ("; ".join(question.answer) or "none of them")
        assert example["chosen"] != example["answer"]


def test_predictions_of_every_kind_are_compared_by_the_command(runs, tmp_path):
    paths = [str(write_predictions(tmp_path / f"{n}.jsonl", run)) for n, run in runs.items()]
    result = CliRunner().invoke(compare_command, [*paths, "--output", str(tmp_path / "out")])
    assert result.exit_code == 0, result.output
    assert "Questions of the kind several" in result.output
    written = json.loads((tmp_path / "out" / "comparison.json").read_text())
    assert list(written["kinds"]) == list(KINDS)


def test_questions_on_one_state_belong_together(questions):
    clusters = clusters_of(questions, source="mixed.jsonl")
    for question in questions:
        same = [q.id for q in questions if clusters[q.id] == clusters[question.id]]
        state = question.state_id
        alike = [q.id for q in questions if state and q.state_id == state] or [question.id]
        assert same == alike
    assert clusters_of(questions, "none", source="mixed.jsonl") is None
