"""What the findings of `mcqa check` count, on questions whose faults are known."""

import pytest

from mcqa import Question
from mcqa.data.findings import Findings
from mcqa.data.same import question_key


def question(stem="Which?", options=("red", "green"), **fields):
    return Question(stem=stem, options=options, **fields)


def faults(*questions, others=frozenset()):
    """Return how often each fault was found."""
    findings = Findings(others)
    for one in questions:
        findings.see(one)
    return {name: fault.count for name, fault in findings.faults.items() if fault.count}


def test_fine_questions_have_no_faults_and_are_counted():
    findings = Findings()
    findings.see(question("One?", label=1, subject="art"))
    findings.see(question("Two?", ("x", "y", "z"), label=1))
    findings.see(question("Three?"))
    assert not any(fault.count for fault in findings.faults.values())
    assert dict(findings.option_counts) == {2: 2, 3: 1}
    plain = findings.kinds["choice"]
    assert (plain.n, dict(plain.labels)) == (3, {1: 2})
    assert dict(findings.subjects) == {"art": 1, None: 2}
    assert plain.chance == pytest.approx(1 / 2 + 1 / 3)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (("x", "x"), {"duplicate options": 1}),
        (("Liver", "liver."), {"near-duplicate options": 1}),
        (("T-cell", "t  cell"), {"near-duplicate options": 1}),
        (("caf\u00e9", "cafe\u0301"), {"near-duplicate options": 1}),
        (("\u201cyes\u201d", "yes"), {"near-duplicate options": 1}),
        (("10 mg", "100 mg"), {}),
        (("A+", "A-"), {}),
        (("-5", "5"), {}),
        (("10\u00b2", "102"), {}),
        (("?", "!"), {}),
        (("x", "\u200b"), {"invisible options": 1}),
    ],
)
def test_options_that_are_the_same(options, expected):
    assert faults(question(options=options)) == expected


def test_questions_that_are_the_same():
    first = question("Which one?", ("Red", "green"), label=0)
    same = question("which  one", ("green", "red"), label=1)
    other_answer = question("Which one?", ("red", "green"), label=1)
    other_context = question("Which one?", ("red", "green"), label=1, context="Paint.")
    other_options = question("Which one?", ("red", "blue"), label=1)
    assert faults(first, same) == {"duplicate questions": 1}
    assert faults(first, other_answer) == {"duplicate questions": 1, "conflicting answers": 1}
    assert faults(first, other_context, other_options) == {}
    assert faults(first, question("Which one?", ("red", "green"))) == {"duplicate questions": 1}


def test_questions_of_another_set():
    others = frozenset([question_key(question("Seen?"))])
    assert faults(question("seen"), question("New?"), others=others) == {
        "questions of the other set": 1
    }


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("caf\u00c3\u00a9", {"mojibake": 1}),
        ("it\u00e2\u20ac\u2122s", {"mojibake": 1}),
        ("37\u00c2\u00b0", {"mojibake": 1}),
        ("\u00e2\u20ac\x9d", {"mojibake": 1, "control characters": 1}),
        ("caf\u00e9 na\u00efve \u03b1\u03b2 37\u00b0 \u201cyes\u201d \u65e5\u672c", {}),
        ("\u00e9\u00e0", {}),
        ("lost \ufffd", {"replacement characters": 1}),
        ("bell \x07", {"control characters": 1}),
        ("two\nlines\tand a tab", {}),
    ],
)
@pytest.mark.parametrize("place", ["stem", "context", "option"])
def test_broken_texts(text, expected, place):
    broken = (
        question(options=("x", text)) if place == "option" else question(**{place: f"So {text}?"})
    )
    assert faults(broken) == expected


def test_only_the_first_examples_are_kept():
    findings = Findings()
    for number in range(9):
        findings.see(question(f"{number}?", ("x", "x"), id=f"q{number}"))
    fault = findings.faults["duplicate options"]
    assert (fault.count, fault.examples) == (9, ["q0", "q1", "q2", "q3", "q4"])
