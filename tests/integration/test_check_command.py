"""`mcqa check`: what it reports, as a table and as JSON, and with which exit code."""

import json

import pytest

CLEAN = {"question": "Which is a fruit?", "options": ["pear", "saw"], "label": 0}


@pytest.fixture
def write(tmp_path):
    """Write rows, or texts as they are, as JSON lines and return the path."""

    def write(*rows, name="set.jsonl"):
        lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
        path = tmp_path / name
        path.write_text("\n".join(lines), encoding="utf-8")
        return path

    return write


@pytest.fixture
def check(command):
    """Check a file and return the exit code, the report and its findings as {name: level}."""

    def run(*arguments):
        result = command("check", *arguments, "--format", "json")
        report = json.loads(result.out)
        return result.code, report, {f["finding"]: f["level"] for f in report["findings"]}

    return run


def test_a_clean_set(check, command, write):
    rows = [CLEAN | {"question": f"{n}?", "label": n % 2, "subject": "food"} for n in range(3)]
    path = write(*rows, CLEAN | {"options": ["x", "y", "z", "w"], "label": 3})
    code, report, found = check(path)
    assert (code, found) == (0, {})
    assert (report["format"], report["questions"], report["rejected"]) == ("generic", 4, 0)
    assert report["option_counts"] == {"2": 3, "4": 1}
    assert report["labels"] == {"A": 2, "B": 1, "D": 1}
    assert report["subjects"] == {"food": 3}
    assert report["label_base"] == {"value": 0, "evidence": "the default"}
    often = report["most_frequent"]
    assert (often["label"], often["accuracy"]) == ("A", 0.5)
    assert often["chance"] == pytest.approx((3 / 2 + 1 / 4) / 4)
    assert "Nothing found." in command("check", path).out


def test_warnings_do_not_change_the_exit_code(check, command, write):
    rows = [CLEAN, CLEAN, CLEAN | {"options": ["x", "X"], "label": None}]
    path = write(*rows)
    code, _, found = check(path)
    assert code == 0
    assert set(found.values()) == {"warning"}
    assert found.keys() == {"duplicate questions", "near-duplicate options", "no answer"}
    result = command("check", path)
    assert result.code == 0
    assert "near-duplicate options" in result.out
    assert "0 kind(s) of error, 3 of warning" in result.err


def test_bad_rows_are_errors_all_of_them_at_once(check, command, write):
    path = write(CLEAN, "no json", CLEAN | {"label": 5}, CLEAN | {"question": ""})
    code, report, found = check(path)
    assert (code, report["questions"], report["rejected"]) == (2, 1, 3)
    assert found["bad rows"] == "error"
    [bad] = [f for f in report["findings"] if f["finding"] == "bad rows"]
    assert (bad["count"], len(bad["examples"])) == (3, 3)
    assert bad["examples"][1].startswith("line 3: label 5 is out of range")
    assert command("check", path).code == 2


def test_skipping_bad_rows_writes_them_and_is_no_error(check, write, tmp_path):
    path = write(CLEAN, "no json")
    code, report, found = check(path, "--skip-invalid", "--output", tmp_path / "out")
    assert (code, report["rejected"], found["bad rows"]) == (0, 1, "warning")
    [row] = [json.loads(line) for line in (tmp_path / "out" / "rejected.jsonl").open()]
    assert (row["place"], row["row"]) == ("line 2", "no json")


def test_a_set_of_which_no_question_is_left_is_an_error(check, write, tmp_path):
    path = write(CLEAN | {"label": 7})
    code, report, found = check(path, "--skip-invalid", "--output", tmp_path / "out")
    assert (code, report["questions"], found["no questions"]) == (2, 0, "error")
    assert report["most_frequent"] is None


def test_a_file_that_cannot_be_used_at_all_is_refused(refused, write, tmp_path):
    assert "no known format" in refused("check", write({"a": 1}))
    (tmp_path / "empty").mkdir()
    assert "is a folder without" in refused("check", tmp_path / "empty")
    assert "holds no rows" in refused("check", write())
    fields = {"question": "Q?", "opa": "w", "opb": "x", "opc": "y", "opd": "z", "cop": 2}
    assert "--label-base 1" in refused("check", write(fields))


@pytest.mark.parametrize(
    "flags", [["--max-length", 9], ["--template", "cloze"], ["--against-split", "train"]]
)
def test_a_flag_that_needs_another_one(command, question_file, flags):
    result = command("check", question_file, *flags)
    assert result.code == 2
    assert f"{flags[0]}" in result.err


def test_questions_shared_with_another_set(check, write):
    train = write(CLEAN, CLEAN | {"question": "Other?"}, "no json", name="train.jsonl")
    test = write(CLEAN | {"question": "which is a  fruit"}, CLEAN | {"question": "New?"})
    code, report, found = check(test, "--against", train)
    assert (code, report["against"]["questions"]) == (0, 2)
    assert found.keys() == {"questions of the other set", "bad rows"}
    assert set(found.values()) == {"warning"}
    _, _, found = check("bundled", "--against", "bundled", "--against-split", "train")
    assert "questions of the other set" not in found


def test_lengths_in_tokens_are_those_of_the_encoder(
    check, command, write, tiny_model_folder, tiny_tokenizer
):
    rows = [CLEAN, CLEAN | {"question": "What is it that grows on a tree? " * 3}]
    prefixes = [f"Question: {row['question'].strip()}\nAnswer:" for row in rows]
    options = [len(tiny_tokenizer(f" {o}", add_special_tokens=False)["input_ids"]) for o in
               CLEAN["options"]]  # fmt: skip
    short, long = (len(tiny_tokenizer(prefix)["input_ids"]) + max(options) for prefix in prefixes)
    flags = ["--model", tiny_model_folder, "--max-length", long - 1]
    code, report, found = check(write(*rows), *flags)
    assert (code, found) == (0, {"cut questions": "warning"})
    tokens = report["tokens"]
    assert (tokens["template"], tokens["max_length"]) == ("cloze", long - 1)
    assert (tokens["median"], tokens["longest"]) == (round((short + long) / 2), long)
    assert (tokens["cut"], tokens["cut_tokens"] > 0) == (1, True)
    assert "1 questions are cut" in command("check", write(*rows), *flags).out
    _, report, found = check(write(*rows), *flags[:2], "--template", "lettered")
    assert (report["tokens"]["template"], report["tokens"]["max_length"]) == ("lettered", 256)
    assert found == {}


def test_options_that_do_not_fit_are_an_error_and_the_others_are_measured(
    check, write, tiny_model_folder
):
    long = CLEAN | {"options": ["pear", "hammer and saw " * 30]}
    rows = [CLEAN | {"question": f"Which of {n}?"} for n in range(5)]
    flags = ["--model", tiny_model_folder, "--max-length", 60]
    code, report, found = check(write(*rows[:3], long, *rows[3:]), *flags)
    assert (code, found["unfit options"]) == (2, "error")
    [unfit] = [f for f in report["findings"] if f["finding"] == "unfit options"]
    assert unfit["count"] == 1
    assert "question 'set-4': its options" in unfit["examples"][0]
    assert report["questions"] == 6
    assert report["tokens"]["cut"] == 0


def test_labels_that_are_mostly_the_same_letter(check, write):
    rows = [CLEAN | {"question": f"{n}?", "label": int(n < 5)} for n in range(50)]
    code, report, found = check(write(*rows))
    assert (code, found) == (0, {"uneven labels": "warning"})
    assert report["labels"] == {"A": 45, "B": 5}
    assert report["most_frequent"]["accuracy"] == 0.9


def test_the_table_tells_the_counts(command, write):
    rows = [CLEAN | {"question": f"{n}?", "subject": "[red]food"} for n in range(4)]
    out = command("check", write(*rows)).out
    assert "A: 4 (100%)" in out
    assert "[red]food: 4 (100%)" in out
    assert "count from 0: the default" in out
