"""An encoder through the commands: trained, scored, merged, and compared with a decoder."""

import json

from encoders import save


def test_the_road_through_the_commands(
    command, refused, runs, training, question_file, tmp_path, tmp_path_factory
):
    folder = save("bert", tmp_path_factory.mktemp("bert"))
    flags = [*training, "--model", folder, "--output", tmp_path / "run"]
    assert "pooling: only for the head of decoders" in refused(
        "train", "multiple-choice", *flags, "--pooling", "mean"
    )
    assert "is an encoder (bert)" in refused("train", "generative", *flags)
    assert not (tmp_path / "run" / "run.json").exists()
    validation = ["--validation-data", question_file]
    result = command(
        *["train", "multiple-choice", *flags, *validation, "--best-metric", "accuracy"],
        *["--gradient-checkpointing", "--accumulation", 2, "--max-steps", 4, "--format", "json"],
    )
    assert result.code == 0, result.err
    record = json.loads(result.out)
    assert record["head"] == {"loss": "cross_entropy", "label_smoothing": 0.0}
    assert record["template"] == "cloze"
    assert len(record["target_modules"]) == 2 * 6
    assert 0 < record["best_validation_value"] <= 1
    merged = tmp_path / "merged"
    result = command("merge", tmp_path / "run", "--output", merged, *validation, "--format", "json")
    assert result.code == 0, result.err
    assert json.loads(result.out)["changed"] == 0
    assert not list(merged.glob("*.py"))
    evaluated = tmp_path / "evaluated"
    result = command(
        *["evaluate", "--data", question_file, "--output", evaluated],
        *["--model", tmp_path / "run", "--model", merged],
        *["--model", runs["multiple-choice"]],
    )
    assert result.code == 0, result.err
