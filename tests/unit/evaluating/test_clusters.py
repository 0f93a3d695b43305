from dataclasses import replace

import pytest

from mcqa.data import load_questions
from mcqa.errors import ConfigError
from mcqa.evaluating.clusters import clusters_of


def test_bundled_questions_belong_together_by_their_fact():
    test = load_questions("bundled")
    facts = clusters_of(test, source="bundled")
    assert facts.keys() == {question.id for question in test}
    assert all(id.startswith(f"{fact}/") for id, fact in facts.items())
    assert len(set(facts.values())) < len(test)
    assert clusters_of(test, "none", source="bundled") is None


def test_other_questions_stand_alone_unless_their_subject_is_asked_for(questions):
    assert clusters_of(questions, source="questions.jsonl") is None
    subjects = clusters_of(questions, "subject", source="questions.jsonl")
    assert (subjects["q0"], subjects["q1"], subjects["q4"]) == ("Art", None, "Law")


def test_what_cannot_be_grouped_is_refused(questions):
    bare = [replace(question, subject=None) for question in questions]
    with pytest.raises(ConfigError, match=r"no question of a\.jsonl has a subject"):
        clusters_of(bare, "subject", source="a.jsonl")
