"""Questions of every kind by two processes: what one process would come to.

Sums in another order differ in the last bits, as in `test_processes`.
"""

import json
import os
import subprocess
import sys

import pytest

from mcqa.prediction import read_predictions
from mcqa.runs.trained import VALIDATION_FILE, read_record

# Trains and validates on eleven mixed questions, some with soft labels: one is left of a step.
MIXED = """
from mcqa.cli import main
from mcqa.data.stored import StoredQuestions
from mcqa.question import Question
from mcqa.training import setup
from mcqa.training.questions import Mixture, QuestionSet

questions = []
for n, colour in enumerate(("red", "green", "blue", "white", "black")):
    stem = f"What of {colour}?"
    questions += [
        Question(id=f"c{n}", stem=stem, options=("pear", "saw", "nail"), label=n % 3),
        Question(id=f"m{n}", stem=stem, options=("a", "b", "c"), label=[n % 3], kind="several"),
    ]
questions += [
    Question(stem="Is it?", kind="yes_no", label=0, targets=(0.8, 0.2)),
]
stored = StoredQuestions(questions)
record = {"source": "mixed", "split": None, "n": 11, "sha256": "0" * 64, "commit": None}
one = QuestionSet(stored, record, name="mixed", part=stored)
setup.load_training = lambda *_, **__: Mixture([one])
setup.load_validation = lambda *_, **__: one
main()
"""


def _logged(folder, name):
    entries = [json.loads(line) for line in (folder / "training_log.jsonl").open()]
    return [entry[name] for entry in entries if name in entry]


def test_two_processes_take_the_steps_of_one(root, two, training, formulation, tmp_path):
    program = tmp_path / "mixed.py"
    program.write_text(MIXED)
    weighed = ["--objective", "options", "--kind-weights", "yes_no=2", "--output"]
    flags = ["train", formulation, *training, *weighed]
    ended = two(program, *flags, tmp_path / "two", "--batch-size", 2)
    assert ended.returncode == 0, ended.stderr
    alone = [sys.executable, program, *flags, tmp_path / "one", "--batch-size", 4]
    environment = os.environ | {"PYTHONPATH": str(root)}
    subprocess.run(list(map(str, alone)), env=environment, capture_output=True, check=True)
    for name in ("loss", "eval_loss", "grad_norm"):
        ours, theirs = (_logged(tmp_path / which, name) for which in ("two", "one"))
        assert ours == pytest.approx(theirs, rel=1e-4)
        assert len(ours) >= 6
    ours, theirs = (read_predictions(tmp_path / n / VALIDATION_FILE) for n in ("two", "one"))
    assert [(p.id, p.kind, p.label) for p in ours] == [(p.id, p.kind, p.label) for p in theirs]
    for mine, other in zip(ours, theirs, strict=True):
        assert mine.scores == pytest.approx(other.scores, abs=1e-3)
    records = [read_record(tmp_path / which) for which in ("two", "one")]
    assert [record["processes"] for record in records] == [2, 1]
    assert records[0]["validation_accuracy"].keys() == {"choice", "several", "yes_no"}
