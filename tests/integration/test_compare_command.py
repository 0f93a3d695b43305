"""`mcqa compare`: hand-made predictions files, hand-computed numbers."""

import json

import pytest

from mcqa.data import load_questions
from mcqa.prediction import Prediction, write_predictions


def answers(path, choices, labels=None, ids=None):
    """Write predictions with the given choices; the right answer is 0 unless labels say else."""
    labels = labels or [0] * len(choices)
    ids = ids or [f"q{number}" for number in range(len(choices))]
    rows = [
        Prediction(
            id=id,
            label=label,
            choice=choice,
            scores=(0.0, 0.0),
            probabilities=(0.5, 0.5),
            unit="nats",
            scorer="text",
            tokens=1,
        )
        for id, label, choice in zip(ids, labels, choices, strict=True)
    ]
    return write_predictions(path, rows)


@pytest.fixture
def files(tmp_path):
    """Of 10 questions, a gets 3 right, b those and 6 others, c none."""
    return (
        answers(tmp_path / "a" / "predictions.jsonl", [0] * 3 + [1] * 7),
        answers(tmp_path / "b" / "predictions.jsonl", [0] * 9 + [1]),
        answers(tmp_path / "c" / "predictions.jsonl", [1] * 9 + [None]),
    )


def test_two_files(command, files, tmp_path):
    result = command("compare", *files[:2], "--output", tmp_path / "out")
    assert result.code == 0
    comparison = json.loads((tmp_path / "out" / "comparison.json").read_text())
    assert comparison["n"] == 10
    assert (comparison["a"]["name"], comparison["b"]["name"]) == ("a", "b")
    assert (comparison["a"]["accuracy"], comparison["b"]["accuracy"]) == (0.3, 0.9)
    assert comparison["difference"] == pytest.approx(0.6)
    assert comparison["mcnemar"] == {"a_only": 0, "b_only": 6, "p_value": 2 * 0.5**6}
    assert "others" not in comparison
    assert "a: 30.0%" in result.out
    assert "b: 90.0%" in result.out
    assert comparison["verdict"] in result.out
    assert comparison["paired"]["table"] == {"both": 3, "a_only": 0, "b_only": 6, "neither": 1}
    # all scores are equal: NLL is log 2 in both, the same choice in 4 of 10
    assert "NLL 0.693 and 0.693, difference 0.000 (0.000 to 0.000)" in result.out
    assert "same choice 40.0%" in result.out
    assert "either right 90.0%" in result.out


def test_three_files_as_json(command, files, tmp_path):
    flags = ["--output", tmp_path, "--format", "json", "--seed", 5]
    result = command("compare", *files, *flags)
    comparisons = json.loads(result.out)
    assert [(c["a"]["name"], c["b"]["name"]) for c in comparisons] == [
        ("a", "b"),
        ("a", "c"),
        ("b", "c"),
    ]
    assert [c["mcnemar"]["a_only"] for c in comparisons] == [0, 3, 9]
    assert {c["seed"] for c in comparisons} == {5}
    first = json.loads((tmp_path / "comparison.json").read_text())
    assert first.pop("others") == comparisons[1:]
    assert first == comparisons[0]


def test_a_seed_repeats_the_interval(command, files, tmp_path):
    def run(seed):
        flags = ["--output", tmp_path, "--format", "json", "--seed", seed]
        return json.loads(command("compare", *files[:2], *flags).out)

    assert run(1) == run(1)


def test_files_of_other_names_are_called_by_them(command, files, tmp_path):
    base = answers(tmp_path / "base.jsonl", [0] * 10)
    result = command("compare", base, files[0], "--output", tmp_path, "--format", "json")
    (comparison,) = json.loads(result.out)
    assert (comparison["a"]["name"], comparison["b"]["name"]) == ("base", "predictions")


@pytest.mark.parametrize(
    ("change", "difference"),
    [
        ({"choices": [0] * 9}, "question 'q9' is in predictions (10 questions) but not in other"),
        ({"choices": [0] * 10, "ids": [*"abcdefghij"]}, "question 'q0' is in predictions"),
        ({"choices": [0] * 10, "labels": [0, 0, 1] + [0] * 7}, "question 'q2' has label 0 in"),
        ({"choices": [0] * 10, "labels": [None] * 10}, "none of the 10 questions has a label in"),
    ],
)
def test_other_questions_are_refused_by_the_first_difference(
    refused, files, tmp_path, change, difference
):
    other = answers(tmp_path / "other.jsonl", **change)
    message = refused("compare", files[0], other, "--output", tmp_path / "out")
    assert difference in message
    assert not (tmp_path / "out").exists()


def test_questions_without_a_label_are_left_out_and_counted(command, files, tmp_path):
    other = answers(tmp_path / "other.jsonl", [0] * 10, labels=[0] * 9 + [None])
    result = command("compare", files[0], other, "--output", tmp_path / "out")
    assert result.code == 0, result.err
    assert "1 of 10 questions has no label in all files and is left out." in result.err
    assert "(n = 9," in result.out
    comparison = json.loads((tmp_path / "out" / "comparison.json").read_text())
    assert (comparison["n"], comparison["a"]["accuracy"]) == (9, 3 / 9)


def test_a_file_alone_or_with_itself_is_refused(refused, files, tmp_path):
    for given in (files[:1], (files[0], files[0])):
        message = refused("compare", *given, "--output", tmp_path / "out")
        assert "at least two different predictions files" in message


def test_a_file_that_holds_no_predictions_is_refused_by_line(
    refused, files, question_file, tmp_path
):
    message = refused("compare", files[0], question_file, "--output", tmp_path / "out")
    assert f"{question_file}, line 1" in message
    assert "mcqa score" in message


def test_with_the_questions_at_hand_their_groups_are_what_counts(command, tmp_path):
    questions = load_questions("bundled", limit=30)
    ids = [question.id for question in questions]
    files = [
        answers(tmp_path / name, [choice] * 30, ids=ids)
        for name, choice in (("a.jsonl", 0), ("b.jsonl", 1))
    ]
    flags = [*files, "--data", "bundled", "--output", tmp_path]
    assert command("compare", *flags).code == 0
    comparison = json.loads((tmp_path / "comparison.json").read_text())
    assert comparison["clusters"]["n"] == len({id.rpartition("/")[0] for id in ids}) < 30
    assert command("compare", *flags, "--cluster-by", "none").code == 0
    assert "clusters" not in json.loads((tmp_path / "comparison.json").read_text())


def test_groups_by_subject_need_the_questions(refused, files, tmp_path):
    flags = [*files[:2], "--cluster-by", "subject", "--output", tmp_path]
    assert "--cluster-by subject need --data" in refused("compare", *flags)


def test_a_log_of_another_evaluator_is_matched_and_what_has_no_partner_named(
    command, files, tmp_path
):
    theirs = tmp_path / "theirs.csv"
    theirs.write_text("id,choice\n" + "".join(f"q{n},A\n" for n in range(8)) + "x,B\n")
    result = command("compare", files[0], theirs, "--output", tmp_path / "out")
    assert result.code == 0, result.err
    assert "theirs: 1 of its 9 answers match none ('x')." in result.err
    assert "2 of 10 questions are not answered by all ('q8', 'q9')." in result.err
    comparison = json.loads((tmp_path / "out" / "comparison.json").read_text())
    assert (comparison["n"], comparison["b"]["accuracy"]) == (8, 1.0)
    assert comparison["paired"]["metrics"]["nll"]["difference"] is None


def test_a_baseline_is_compared_alone_and_the_primary_comparison_is_named(command, files, tmp_path):
    flags = ["--baseline", "c", "--output", tmp_path / "out"]
    result = command("compare", *files, *flags)
    assert result.code == 0, result.err
    comparison = json.loads((tmp_path / "out" / "comparison.json").read_text())
    assert (comparison["a"]["name"], comparison["b"]["name"]) == ("c", "a")
    assert [(o["a"]["name"], o["b"]["name"]) for o in comparison["others"]] == [("c", "b")]
    assert comparison["primary"]
