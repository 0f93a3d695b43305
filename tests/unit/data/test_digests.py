"""What of questions goes into digests: all of it, and for plain choices what always did."""

import json

import pytest

from mcqa.data import data_fingerprint, load_questions
from mcqa.data.digests import digest_questions, question_row
from mcqa.question import Question

PLAIN = Question(stem="Which?", options=("a", "b"), label=1, id="q")
ADDED = {"targets": (0.5, 0.5), "names": ("x", "y"), "state_id": "s"}


def test_rows_of_plain_choices_have_nothing_of_other_kinds():
    before = ["stem", "options", "label", "id", "context", "subject", "explanation"]
    assert list(question_row(PLAIN)) == before
    # As it was when there were choices only.
    assert data_fingerprint("bundled").startswith("57c5e0d211757802")


@pytest.mark.parametrize("change", [{"kind": "scale"}, *({k: v} for k, v in ADDED.items())])
def test_digests_change_with_every_field(change):
    changed = Question(**vars(PLAIN) | change)
    assert digest_questions([changed]) != digest_questions([PLAIN])


def test_what_is_written_of_any_kind_comes_back(tmp_path):
    questions = [
        PLAIN,
        Question(id="y", stem="Is it?", kind="yes_no", label=1, context="c", state_id="s"),
        Question(id="s", stem="How?", kind="scale", options=("l", "h"), targets=(0.5, 0.5)),
        *(
            Question(id=f"n{n}", stem="Which?", kind="several", options=("x", "y"), label=label)
            for n, label in enumerate([(), (1,), (0, 1), None])
        ),
        Question(id="many", stem="Which?", options=("a: b", "c"), names=("a", "c"), label=0),
    ]
    path = tmp_path / "set.jsonl"
    path.write_text("\n".join(json.dumps(question_row(question)) for question in questions))
    assert load_questions(path) == questions
