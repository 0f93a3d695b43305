"""Predictions files and evaluations that cannot be used."""

import json
from dataclasses import asdict
from pathlib import Path

from bad_inputs import Case, Place, edited

from mcqa.prediction import Prediction


def write(path: Path, *answers: Prediction | str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = (a if isinstance(a, str) else json.dumps(asdict(a)) for a in answers)
    path.write_text("".join(line + "\n" for line in lines))


def answer(id: str = "q1", label: int | None = 0, **changes) -> Prediction:
    values = dict.fromkeys(("unit", "text", "parsed"))
    values |= {"choice": 0, "scores": (1.0, 0.0), "probabilities": (0.73, 0.27)}
    return Prediction(id=id, label=label, scorer="text", tokens=9, **(values | changes))


RUN = {"scorer": "text", "template": "cloze", "seconds": 1, "cost": None}
GOOD_RUN = (answer("q1"), answer("q2", 1))


def compared(*answers: Prediction | str):
    """Make two predictions files, the second of these."""

    def make(place: Place) -> None:
        write(place.folder / "a.jsonl", *GOOD_RUN)
        place.file = place.folder / "b.jsonl"
        write(place.file, *answers)
        place.model = place.folder / "a.jsonl"

    return make


def theirs(text: str):
    """Make a predictions file, and a CSV file of another evaluator that holds a text."""

    def make(place: Place) -> None:
        place.model, place.file = place.folder / "a.jsonl", place.folder / "b.csv"
        write(place.model, *GOOD_RUN)
        place.file.write_text(text)

    return make


def evaluation(name: str, data: str | None):
    """Make the folder of an evaluation, one file of which holds something else, or is gone."""

    def make(place: Place) -> None:
        runs = [{**RUN, "name": name, "folder": name} for name in ("a", "b")]
        record = {"title": "t", "details": {}, "runs": runs, "clusters": None}
        record["compared"] = ["a", "b"]
        for run in runs:
            write(place.out / run["folder"] / "predictions.jsonl", *GOOD_RUN)
        (place.out / "evaluation.json").write_text(json.dumps(record))
        (place.out / "comparison.json").write_text("precious")
        if data is None:
            (place.out / name).unlink()
        elif name == "evaluation.json" and data.startswith("{"):
            edited(name, **json.loads(data))(place.out)
        else:
            (place.out / name).write_text(data)

    return make


SEVEN = {"id": 7, "score": 1.5}
COMPARE = "compare MODEL FILE --output OUT"
REPORT = "report OUT"
LINE = json.dumps(asdict(answer("q1"))) + "\n"
NOT_A_LINE = (
    "FILE, line 2: not a line of a predictions file ({}); such a file is written by `mcqa score`."
)

ANSWERS = (
    Case(
        "one predictions file",
        "give at least two different predictions files to compare.",
        "compare FILE --output OUT",
        compared(*GOOD_RUN),
    ),
    Case(
        "no such predictions file",
        "absent.jsonl: cannot be read as predictions ([Errno 2] No such file or directory: "
        "'absent.jsonl').",
        "compare FILE absent.jsonl --output OUT",
        compared(*GOOD_RUN),
    ),
    Case(
        "no predictions",
        "b has no predictions. Score at least one labelled question.",
        COMPARE,
        compared(),
    ),
    Case(
        "a predictions file cut short",
        NOT_A_LINE.format("…"),
        COMPARE,
        compared(answer("q1"), LINE[:40]),
    ),
    Case(
        "questions in place of predictions",
        NOT_A_LINE.format("it lacks 'scores'"),
        COMPARE,
        compared(answer("q1"), '{"question": "?", "options": ["a", "b"], "label": 0}'),
    ),
    Case(
        "scores that are no numbers",
        NOT_A_LINE.format("scores are ['1', '0'], not numbers"),
        COMPARE,
        compared(answer("q1"), answer("q2", scores=("1", "0"))),
    ),
    Case(
        "retrieved passages without an id",
        NOT_A_LINE.format("retrieved has [7, 1.5], not an id and a score"),
        COMPARE,
        compared(answer("q1"), json.dumps(asdict(answer("q2")) | {"retrieved": [SEVEN]})),
    ),
    Case(
        "a choice that is no option",
        "question 'q2': choice 5 is not one of its options (0 to 1). Score it again; labels are "
        "0-based.",
        COMPARE,
        compared(answer("q1"), answer("q2", 1, choice=5)),
    ),
    Case(
        "predictions for other questions",
        "question 'q2' is in a (2 questions) but not in b (2 questions). Score both on the same "
        "questions: the same data, split and limit.",
        COMPARE,
        compared(answer("q1"), answer("q3", 1)),
    ),
    Case(
        "predictions for other labels",
        "question 'q2' has label 1 in a and label 0 in b. Score both on the same file; shuffled "
        "options must be mapped back to the original order.",
        COMPARE,
        compared(answer("q1"), answer("q2", 0)),
    ),
    Case(
        "a question answered twice",
        "b: question 'q1' is answered 2 times, and a comparison takes each question once. Give "
        "the questions unique ids and score them again.",
        COMPARE,
        compared(answer("q1"), answer("q2", 1), answer("q1")),
    ),
    Case(
        "predictions without labels",
        "none of the 2 questions has a label in a and b, and only labelled questions can be "
        "compared. Score labelled data.",
        COMPARE,
        compared(answer("q1", None), answer("q2", None)),
    ),
    Case(
        "a baseline that is not compared",
        "baseline 'c' is none of the runs a, b.",
        COMPARE + " --baseline c",
        compared(*GOOD_RUN),
    ),
    Case(
        "a CSV file without ids",
        "FILE: cannot be read as answers (KeyError: 'id'). Give samples of "
        "lm-evaluation-harness (--log_samples), a log of inspect_ai (.eval, .json), a CSV file "
        "with id and choice or probabilities, or predictions of mcqa.",
        COMPARE,
        theirs("name,choice\nq1,A\n"),
    ),
    Case(
        "answers to no question of the others",
        "no question is answered by all of a, b: neither ids nor texts agree. Give --data with "
        "the questions, or files about the same ones.",
        COMPARE,
        theirs("id,choice\nx1,A\n"),
    ),
    Case(
        "clusters by subject without the questions",
        "--split and --cluster-by subject need --data.",
        COMPARE + " --cluster-by subject",
        compared(*GOOD_RUN),
    ),
    Case(
        "a folder that is no evaluation",
        "OUT: no evaluation.json in it. Name a folder that `mcqa evaluate` or `mcqa demo` wrote; "
        "where an older version did, evaluate again.",
        REPORT,
        evaluation("evaluation.json", None),
    ),
    Case(
        "a broken evaluation.json",
        "OUT/evaluation.json: not what `mcqa evaluate` writes (JSONDecodeError: …). Evaluate "
        "again.",
        REPORT,
        evaluation("evaluation.json", "["),
    ),
    Case(
        "an evaluation that compares what it lacks",
        "OUT/evaluation.json: not what `mcqa evaluate` writes (KeyError: 'c'). Evaluate again.",
        REPORT,
        evaluation("evaluation.json", '{"compared": ["a", "c"]}'),
    ),
    Case(
        "an evaluation that writes elsewhere",
        "OUT/evaluation.json: the run 'a' is in '../a', outside of the evaluation's folder, where "
        "nothing may be written. Evaluate again.",
        REPORT,
        evaluation("evaluation.json", '{"runs": [{"name": "a", "folder": "../a"}]}'),
    ),
    Case(
        "an evaluation without a run's predictions",
        "OUT/b/predictions.jsonl: cannot be read as predictions ([Errno 2] No such file or "
        "directory: 'OUT/b/predictions.jsonl').",
        REPORT,
        evaluation("b/predictions.jsonl", None),
    ),
    Case(
        "an evaluation whose runs answer different questions",
        "OUT/b/predictions.jsonl: its 1 answers are not those to the 2 questions of this "
        "evaluation; question 'q2' is missing, there twice, or has another label. Evaluate again.",
        REPORT,
        evaluation("b/predictions.jsonl", LINE),
    ),
    Case(
        "an evaluation whose questions are cut short",
        "OUT/questions.jsonl, line 1: not a question as `mcqa evaluate` writes it (…). Evaluate "
        "again, or delete the file to do without it.",
        REPORT,
        evaluation("questions.jsonl", '{"stem": "Whi'),
    ),
)
