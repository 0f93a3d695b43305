"""Questions of every kind in one file, through the commands: each kind is told by itself."""

import json

import pytest

KINDS = ("choice", "yes_no", "scale", "several")


@pytest.fixture(scope="module")
def mixed_file(tmp_path_factory, tiny_questions):
    """The tiny questions, each asked in one of the kinds in turn."""
    rows = []
    for number, q in enumerate(tiny_questions):
        kind = KINDS[number % 4]
        row = {"id": q.id, "question": q.stem, "options": q.options, "label": q.label, "kind": kind}
        if kind == "yes_no":
            row |= {"options": ["Yes", "No"], "label": q.label % 2}
        if kind == "several":
            row |= {"label": [index == q.label for index in range(len(q.options))]}
        rows.append(row)
    path = tmp_path_factory.mktemp("mixed") / "mixed.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture(scope="module")
def mixed_run(run_main, mixed_file, tiny_model_folder, tmp_path_factory):
    """A head that learned all kinds in one run, and was validated on them."""
    folder = tmp_path_factory.mktemp("runs") / "mixed"
    base = ["--model", tiny_model_folder, "--recipe", "lora", "--quantization", "none"]
    data = ["--data", mixed_file, "--validation-data", mixed_file, "--output", folder]
    assert run_main("train", "multiple-choice", *base, *data, "--device", "cpu") == 0
    return folder


def test_a_run_keeps_what_was_fitted_for_each_kind(mixed_run):
    record = json.loads((mixed_run / "run.json").read_text())
    assert record["calibration"].keys() == record["validation_accuracy"].keys() == set(KINDS)
    with_threshold = {kind for kind, one in record["calibration"].items() if "threshold" in one}
    assert with_threshold == {"yes_no", "several"}


def test_score_prints_an_accuracy_of_each_kind_and_none_of_all(
    command, mixed_run, mixed_file, tmp_path
):
    flags = ["--data", mixed_file, "--output", tmp_path / "p.jsonl", "--device", "cpu"]
    told = command("score", "--model", mixed_run, *flags).out.splitlines()
    assert sorted(line.partition(": accuracy ")[0] for line in told) == sorted(KINDS)
    assert told[-1].endswith(" questions/s")


def test_an_evaluation_in_several_orders_is_drawn_again_as_it_was(
    command, mixed_run, mixed_file, tmp_path
):
    flags = ["--data", mixed_file, "--output", tmp_path / "out", "--permutations", "cyclic"]
    told = command("evaluate", "--model", mixed_run, *flags, "--device", "cpu").out
    assert [kind for kind in KINDS if f"Questions of the kind {kind}\n" in told] == [*KINDS]
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert metrics["accuracy"] is None
    orders = {kind: one.get("permutations") for kind, one in metrics["kinds"].items()}
    assert [orders[kind]["flips"] for kind in ("choice", "yes_no", "several")] == [0, 0, 0]
    assert orders["scale"] is None  # its levels have one order
    page = (tmp_path / "out" / "report.md").read_bytes()
    again = command("report", tmp_path / "out")
    assert again.code == 0, again.err
    assert (tmp_path / "out" / "report.md").read_bytes() == page


def test_merge_counts_what_changed_over_all_kinds(command, mixed_run, mixed_file, tmp_path):
    flags = ["--output", tmp_path / "merged", "--validation-data", mixed_file, "--device", "cpu"]
    result = command("merge", mixed_run, *flags)
    assert result.code == 0, result.err
    assert "answers changed" in result.out + result.err
    assert "accuracy before" not in result.out + result.err


def test_the_card_of_a_pushed_run_has_a_score_of_each_kind(
    command, mixed_run, mixed_file, tmp_path, tiny_model_folder, monkeypatch
):
    monkeypatch.chdir(tiny_model_folder.parent)
    flags = ["--data", mixed_file, "--output", tmp_path / "out", "--device", "cpu"]
    assert command("evaluate", "--model", mixed_run, *flags).code == 0
    where = ["--dry-run", "--output", tmp_path / "push", "--base", tiny_model_folder.name]
    result = command("push", mixed_run, "jo/head", *where, "--evaluation", tmp_path / "out")
    assert result.code == 0, result.err
    card = (tmp_path / "push" / "README.md").read_text()
    rows = [line for line in card.splitlines() if line.startswith("| mixed.jsonl")]
    assert [kind for kind in KINDS if any(f", {kind} " in row for row in rows)] == [*KINDS]
