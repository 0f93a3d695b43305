"""`mcqa evaluate`: what it writes for one model, two, three, and without labels."""

import json

import pytest

from mcqa.data import load_questions
from mcqa.evaluation.answers import Answers
from mcqa.evaluation.fitting import fit_stack, fit_temperature, stack
from mcqa.prediction import read_predictions


def read_json(path):
    return json.loads(path.read_text())


def right(folder):
    """Return the ids of the questions that a folder's predictions get right."""
    return {p.id for p in read_predictions(folder / "predictions.jsonl") if p.correct}


@pytest.fixture
def evaluate(command, question_file, tmp_path):
    def run(*models, data=question_file, settings=()):
        named = [part for model in models for part in ("--model", model)]
        result = command("evaluate", *named, "--data", data, "--output", tmp_path, *settings)
        assert result.code == 0, result.err
        return result

    return run


def test_one_model(evaluate, runs, tiny_questions, tmp_path):
    result = evaluate(runs["multiple-choice"])
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {
        "predictions.jsonl",
        "metrics.json",
        "evaluation.json",
        "questions.jsonl",
        "per_question.csv",
        "report.html",
        "report.md",
        "plots",
    }
    predictions = read_predictions(tmp_path / "predictions.jsonl")
    assert [p.id for p in predictions] == [q.id for q in tiny_questions]
    metrics = read_json(tmp_path / "metrics.json")
    assert metrics.keys() >= {
        "n",
        "accuracy",
        "accuracy_ci95",
        "chance",
        "unparsed",
        "ambiguous",
        "unlabelled",
        "tokens_per_question",
        "seconds",
        "questions_per_second",
    }
    assert (metrics["n"], metrics["unparsed"], metrics["unlabelled"]) == (36, 0, 0)
    assert metrics["accuracy"] == len(right(tmp_path)) / 36
    low, high = metrics["accuracy_ci95"]
    assert 0 <= low <= metrics["accuracy"] <= high <= 1
    assert metrics["questions_per_second"] == pytest.approx(36 / metrics["seconds"])
    assert metrics["metrics"]["accuracy"]["value"] == metrics["accuracy"]
    assert set(metrics["per_option_count"]) == {"2", "3", "4", "5"}
    page = (tmp_path / "report.html").read_text()
    assert "multiple-choice" in page
    assert "multiple-choice" in result.out
    assert "8,256" in result.out  # what the run cost


def test_two_models_are_compared_pair_by_pair(evaluate, runs, tiny_model_folder, tmp_path):
    result = evaluate(f"{tiny_model_folder}:letter", runs["multiple-choice"])
    base, tuned = f"{tiny_model_folder.name}-letter", "multiple-choice"
    for name in (base, tuned):
        assert {path.name for path in (tmp_path / name).iterdir()} == {
            "predictions.jsonl",
            "metrics.json",
        }
    comparison = read_json(tmp_path / "comparison.json")
    contract = {"n", "a", "b", "difference", "difference_ci95", "mcnemar"}
    assert comparison.keys() >= contract
    assert "others" not in comparison
    assert comparison["mcnemar"].keys() == {"a_only", "b_only", "p_value"}
    right_a, right_b = right(tmp_path / base), right(tmp_path / tuned)
    assert comparison["n"] == 36
    assert comparison["mcnemar"]["a_only"] == len(right_a - right_b)
    assert comparison["mcnemar"]["b_only"] == len(right_b - right_a)
    assert comparison["difference"] == pytest.approx((len(right_b) - len(right_a)) / 36)
    assert comparison["paired"]["table"]["a_only"] == len(right_a - right_b)
    assert comparison["together"]["either"]["value"] == len(right_a | right_b) / 36
    low, high = comparison["difference_ci95"]
    assert 0 < low <= comparison["difference"] <= high
    assert comparison["mcnemar"]["p_value"] < 0.05
    assert comparison["a"]["accuracy"] == len(right_a) / 36
    assert comparison["b"]["name"] == tuned
    assert comparison["verdict"] in result.out
    page = (tmp_path / "report.html").read_text()
    assert base.replace("-letter", " letter") in page
    assert (tmp_path / "accuracy.svg").read_text().count("<svg") == 1


def test_three_models_are_compared_two_by_two(evaluate, runs, tiny_model_folder, tmp_path):
    evaluate(runs["generative"], runs["multiple-choice"], f"{tiny_model_folder}:text")
    comparison = read_json(tmp_path / "comparison.json")
    base = f"{tiny_model_folder.name} text"
    pairs = [(c["a"]["name"], c["b"]["name"]) for c in (comparison, *comparison["others"])]
    assert pairs == [
        ("generative", "multiple-choice"),
        ("generative", base),
        ("multiple-choice", base),
    ]
    assert comparison["joint"]["degrees_of_freedom"] == 2
    assert {path.name for path in tmp_path.iterdir() if path.is_dir()} == {
        "plots",
        "generative",
        "multiple-choice",
        base.replace(" ", "-"),
    }


def test_two_scorers_of_one_model(evaluate, tiny_model_folder, tmp_path):
    result = evaluate(
        f"{tiny_model_folder}:text",
        tiny_model_folder,
        settings=["--scorer", "generate", "--limit", 2, "--format", "json"],
    )
    told = json.loads(result.out)
    assert [model["scorer"] for model in told["models"]] == ["text", "generate"]
    assert [model["template"] for model in told["models"]] == ["cloze", "lettered"]
    assert [model["predictions"] for model in told["models"]] == [2, 2]
    assert told["comparisons"] == [read_json(tmp_path / "comparison.json")]
    for model in told["models"]:
        folder = tmp_path / model["name"].replace(" ", "-")
        assert model["metrics"].items() <= read_json(folder / "metrics.json").items()


def test_without_labels_there_is_no_comparison(evaluate, runs, unlabelled_file, tmp_path):
    result = evaluate(*runs.values(), data=unlabelled_file, settings=["--format", "json"])
    assert json.loads(result.out)["comparisons"] == []
    assert not (tmp_path / "comparison.json").exists()
    assert (tmp_path / "report.html").is_file()
    for name in runs:
        metrics = read_json(tmp_path / name / "metrics.json")
        assert (metrics["n"], metrics["accuracy"], metrics["unlabelled"]) == (0, None, 36)
        assert len(read_predictions(tmp_path / name / "predictions.jsonl")) == 36


def test_one_model_without_labels_in_a_table(evaluate, tiny_model_folder, unlabelled_file):
    assert tiny_model_folder.name in evaluate(tiny_model_folder, data=unlabelled_file).out


def test_a_comparison_of_other_models_does_not_stay(
    evaluate, tiny_model_folder, unlabelled_file, tmp_path
):
    models = [f"{tiny_model_folder}:text", f"{tiny_model_folder}:text-mean"]
    evaluate(*models)
    evaluate(*models, data=unlabelled_file, settings=["--overwrite"])
    assert not (tmp_path / "comparison.json").exists()


def test_runs_of_one_name_are_told_apart(evaluate, runs, tmp_path):
    folders = []
    for place in ("a", "b"):
        folders.append(tmp_path / place / "run")
        folders[-1].parent.mkdir()
        folders[-1].symlink_to(runs["multiple-choice"])
    result = evaluate(*folders, settings=["--format", "json"])
    names = [model["name"] for model in json.loads(result.out)["models"]]
    assert len(set(names)) == 2
    for name, place in zip(names, ("a", "b"), strict=True):
        assert f"{place}-run" in name
        assert (tmp_path / name / "predictions.jsonl").is_file()


def test_a_model_in_the_current_folder_has_a_name(
    evaluate, runs, tiny_model_folder, tmp_path, monkeypatch
):
    monkeypatch.chdir(runs["multiple-choice"])
    result = evaluate(".", tiny_model_folder, settings=["--format", "json"])
    names = [model["name"] for model in json.loads(result.out)["models"]]
    assert all(names)
    assert not (tmp_path / "predictions.jsonl").exists()


def test_a_scorer_that_does_not_go_with_the_model_is_refused(
    refused, runs, question_file, tmp_path
):
    data = ["--data", question_file, "--output", tmp_path / "evaluation"]
    message = refused("evaluate", "--model", f"{runs['multiple-choice']}:text", *data)
    assert "use head" in message


def test_an_output_that_is_a_file_is_refused(refused, tiny_model_folder, question_file):
    data = ["--data", question_file, "--output", question_file]
    assert str(question_file) in refused("evaluate", "--model", tiny_model_folder, *data)


def test_validation_questions_calibrate_every_model_and_combine_the_pairs(
    evaluate, runs, tiny_model_folder, tiny_questions, validation_file, tmp_path
):
    models = [runs["multiple-choice"], f"{tiny_model_folder}:text", f"{tiny_model_folder}:generate"]
    settings = ["--validation-data", validation_file, "--validation-limit", 10]
    result = evaluate(*models, settings=settings)
    names = ["multiple-choice", f"{tiny_model_folder.name}-text"]
    validation = [
        Answers.of(read_predictions(tmp_path / name / "validation_predictions.jsonl"))
        for name in names
    ]
    for name, answers in zip(names, validation, strict=True):
        calibration = read_json(tmp_path / name / "metrics.json")["calibration"]
        assert calibration["temperature"] == fit_temperature(answers)["temperature"]
        assert calibration["note"] == f"10 questions of {validation_file}"
        assert f"{name.replace('-text', ' text')}: calibrated on 10 questions" in result.err
        assert read_json(tmp_path / name / "metrics.json")["n"] == 36
        assert read_json(tmp_path / name / "metrics.json")["peak_memory_bytes"] > 50_000_000
    generated = read_json(tmp_path / f"{tiny_model_folder.name}-generate" / "metrics.json")
    assert generated["calibration"]["note"].startswith("Generated answers have no scores")

    comparison, *others = (lambda c: (c, *c["others"]))(read_json(tmp_path / "comparison.json"))
    stacked = comparison["together"]["stacked"]
    weights = fit_stack(*validation)
    evaluated = [Answers.of(read_predictions(tmp_path / n / "predictions.jsonl")) for n in names]
    del weights["n"]
    assert stacked["value"] == stack(*evaluated, **weights).correct.mean()
    assert f"stacked: {stacked['against_better']['verdict']}" in result.out
    assert [c["together"]["stacked"] for c in others] == [None, None]


def test_validation_questions_must_not_be_evaluated(refused, runs, question_file, tmp_path):
    settings = ["--data", question_file, "--validation-data", question_file, "--output", tmp_path]
    message = refused("evaluate", "--model", runs["generative"], *settings)
    assert "36 of 36 are evaluated too" in message
    limit = ["--data", question_file, "--validation-limit", 3, "--output", tmp_path]
    assert "needs --validation-data" in refused("evaluate", "--model", runs["generative"], *limit)


def test_bundled_questions_of_one_fact_are_one_cluster(evaluate, tiny_model_folder, tmp_path):
    models = [f"{tiny_model_folder}:text", f"{tiny_model_folder}:text-mean"]
    settings = ["--limit", 40, "--validation-split", "validation", "--validation-limit", 5]
    evaluate(*models, data="bundled", settings=settings)
    facts = {question.id.rpartition("/")[0] for question in load_questions("bundled", limit=40)}
    comparison = read_json(tmp_path / "comparison.json")
    assert comparison["clusters"]["n"] == len(facts) < 40
    assert comparison["together"]["stacked"]["against_better"]["clusters"]["n"] == len(facts)
    again = ["--limit", 40, "--overwrite", "--cluster-by"]
    evaluate(*models, data="bundled", settings=[*again, "none"])
    assert "clusters" not in read_json(tmp_path / "comparison.json")
    evaluate(*models, data="bundled", settings=[*again, "subject"])
    subjects = {question.subject for question in load_questions("bundled", limit=40)}
    assert read_json(tmp_path / "comparison.json")["clusters"]["n"] == len(subjects)


def contents(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_no_file_of_an_evaluation_of_others_stays(
    evaluate, command, tiny_model_folder, question_file, validation_file, tmp_path
):
    one, two = [f"{tiny_model_folder}:text"], [f"{tiny_model_folder}:{s}" for s in ("pmi", "text")]
    few = ["--limit", 6]
    flags = [*few, "--data", question_file, "--output"]
    evaluate(*one, settings=[*few, "--permutations", 2, "--validation-data", validation_file])
    asked = [part for model in two for part in ("--model", model)]
    assert "holds a finished evaluation" in command("evaluate", *asked, *flags, tmp_path).err
    for models in (two, one):
        asked = [part for model in models for part in ("--model", model)]
        fresh = tmp_path.parent / f"{tmp_path.name}-{len(models)}"
        assert command("evaluate", *asked, *flags, fresh).code == 0
        evaluate(*models, settings=[*few, "--overwrite"])
        assert contents(tmp_path).keys() == contents(fresh).keys()
        assert {path.name for path in tmp_path.iterdir()} == {path.name for path in fresh.iterdir()}
