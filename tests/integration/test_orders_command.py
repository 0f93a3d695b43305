"""`mcqa evaluate --permutations`: answers that change with the order of the options."""

import json

import pytest

from mcqa.prediction import read_predictions


def rows_of(folder):
    """Return what `permutations.jsonl` holds, by question."""
    found = {}
    for line in (folder / "permutations.jsonl").open():
        row = json.loads(line)
        found.setdefault(row["id"], []).append(row)
    return found


def described(folder):
    return json.loads((folder / "metrics.json").read_text())["permutations"]


@pytest.fixture
def evaluate(command, question_file, tmp_path):
    def run(*settings):
        result = command("evaluate", "--data", question_file, "--output", tmp_path, *settings)
        assert result.code == 0, result.err
        return result

    return run


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_a_head_that_sees_no_list_never_flips(evaluate, runs, tmp_path, dtype):
    settings = ["--permutations", "cyclic", "--dtype", dtype, "--batch-size", 5]
    result = evaluate("--model", runs["multiple-choice"], *settings)
    found = described(tmp_path)
    assert (found["flips"], found["n"], found["answers"]) == (0, 36, 126)
    assert found["largest_score_change"] == 0
    assert not found["options_listed"]
    assert "36 questions x 2 to 5 orders = 126" in result.err
    assert "answers 0 of 36 questions differently" in result.out
    assert "answers 0 of 36 questions differently" in (tmp_path / "report.html").read_text()


def test_letters_flip_and_the_number_is_that_of_the_file(
    evaluate, command, tiny_model_folder, tiny_questions, tmp_path
):
    result = evaluate("--model", f"{tiny_model_folder}:letter", "--permutations", "cyclic")
    rows, found = rows_of(tmp_path), described(tmp_path)
    assert list(rows) == [question.id for question in tiny_questions]
    flips = right = 0
    for question in tiny_questions:
        chosen = set()
        for row in rows[question.id]:
            scores = row["shown_scores"]
            option = question.options[row["permutation"][scores.index(max(scores))]]
            assert option == question.options[row["choice"]]
            chosen.add(option)
        flips += len(chosen) > 1
        right += question.options[rows[question.id][0]["choice"]] == question.answer
    assert 0 < flips == found["flips"]
    assert found["flip_rate"]["value"] == flips / 36
    assert f"{flips} of 36 questions" in result.out
    assert found["accuracy"]["value"] == found["pride"]["raw"]["value"] == right / 36
    assert found["pride"]["sample"] == {"n": 4, "share": 0.05, "seed": 0}
    assert set(found["pride"]["priors"]) == {"2", "3", "4", "5"}

    names = ("report.html", "report.md", "metrics.json")
    before = {name: (tmp_path / name).read_bytes() for name in names}
    assert b"PriDe" in before["report.md"]
    for name in names:
        (tmp_path / name).unlink()
    assert f"{flips} of 36 questions" in command("report", tmp_path).out
    assert {name: (tmp_path / name).read_bytes() for name in names} == before


def test_generated_answers_in_drawn_orders(evaluate, tiny_model_folder, tmp_path):
    flags = ["--model", f"{tiny_model_folder}:generate", "--limit", 8, "--format", "json"]
    told = json.loads(evaluate(*flags, "--permutations", 3, "--seed", 1).out)["models"][0]
    assert "orders" not in told
    assert told["permutations"] == described(tmp_path)
    assert told["permutations"]["kind"] == "3"
    assert "averaged_accuracy" not in told["permutations"]
    rows = rows_of(tmp_path)
    assert [len(found) for found in rows.values()] == [2, 3, 3, 3] * 2
    first = [found[0]["choice"] for found in rows.values()]
    assert first == [p.choice for p in read_predictions(tmp_path / "predictions.jsonl")]


def test_orders_of_an_earlier_evaluation_do_not_stay(evaluate, tiny_model_folder, tmp_path):
    evaluate("--model", tiny_model_folder, "--limit", 4, "--permutations", 2)
    evaluate("--model", tiny_model_folder, "--limit", 4, "--overwrite")
    assert not (tmp_path / "permutations.jsonl").exists()
    assert "in another order" not in (tmp_path / "report.html").read_text()


def test_too_many_orders_are_refused_before_anything_is_scored(
    refused, tiny_model_folder, tmp_path
):
    data, row = tmp_path / "seven.jsonl", {"id": "w", "question": "Day?", "label": 0}
    data.write_text(json.dumps({**row, "options": list("MTWFSXY")}) + "\n")
    flags = ["--model", tiny_model_folder, "--data", data, "--output", tmp_path / "out"]
    assert "`all` takes up to 6" in refused("evaluate", *flags, "--permutations", "all")
    assert "use cyclic, all, or a number" in refused("evaluate", *flags, "--permutations", "some")
    assert not (tmp_path / "out" / "predictions.jsonl").exists()
