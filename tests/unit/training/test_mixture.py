"""Several training sets: how often a question comes, its id, and what is there twice."""

import pytest

from mcqa.errors import ConfigError
from mcqa.question import Question
from mcqa.training.config import TrainingConfig, load_config
from mcqa.training.mixture import draw, overlaps, parse_sources, with_unique_ids


def asked(*stems, start=0):
    return [
        Question(stem=stem, options=("yes", "no"), label=0, id=f"q{number}")
        for number, stem in enumerate(stems, start)
    ]


def ids(questions):
    return [question.id for question in questions]


def test_a_weight_stands_behind_the_last_equals_sign(tmp_path):
    assert parse_sources(["a.jsonl", "owner/b:c=0.5", "x=y/d.jsonl=2"]) == [
        ("a.jsonl", 1),
        ("owner/b:c", 0.5),
        ("x=y/d.jsonl", 2),
    ]
    there = tmp_path / "e=2"
    there.touch()
    assert parse_sources([str(there)]) == [(str(there), 1)]


@pytest.mark.parametrize("weight", ["0", "-2", "nan", "inf", "101", "half", ""])
def test_a_weight_that_is_none_is_refused(weight):
    with pytest.raises(ConfigError, match=r"data 'a\.jsonl=.*weight above 0 and at most 100"):
        parse_sources([f"a.jsonl={weight}"])


def test_the_same_set_under_two_spellings_is_refused():
    with pytest.raises(ConfigError, match=r"'\./a\.jsonl' is named more than once"):
        parse_sources(["a.jsonl", "./a.jsonl=2"])


def test_a_weight_counts_passes_and_the_rest_is_one_seeded_share():
    questions = asked(*"abcdefghij")
    assert ids(draw(questions, 2, seed=0)) == ids(questions) * 2
    half = ids(draw(questions, 0.5, seed=0))
    assert len(half) == len(set(half)) == 5
    assert half == sorted(half)  # the order of the file
    assert ids(draw(questions, 0.5, seed=0)) == half != ids(draw(questions, 0.5, seed=1))
    assert ids(draw(questions, 1.5, seed=0)) == ids(questions) + half


def test_ids_stay_unless_two_sets_share_one():
    first, second = asked("a", "b"), asked("c", "d", start=2)
    assert list(map(ids, with_unique_ids([first, second], ["x", "y"]))) == [
        ["q0", "q1"],
        ["q2", "q3"],
    ]
    second = asked("c", "d", start=1)
    assert list(map(ids, with_unique_ids([first, second], ["x", "y"]))) == [
        ["x:q0", "x:q1"],
        ["y:q1", "y:q2"],
    ]


def test_questions_of_two_sets_and_of_validation_are_told():
    sets = {"x": asked("a?", "b?"), "y": asked("B ?", "A?", "c?"), "z": asked("d?")}
    validation = asked("c?", "d?", "e?")
    lines = overlaps(sets, validation)
    assert [line.partition(" questions")[0] for line in lines] == [
        "y: 2 of its 3",
        "y: 1 of the 3 validation",
        "z: 1 of the 3 validation",
    ]
    assert "are in x too" in lines[0]
    del sets["y"], sets["z"]
    assert overlaps(sets, asked("f?")) == overlaps(sets) == []


def test_a_file_of_settings_names_sets_as_a_text_a_list_or_a_mapping(tmp_path):
    path = tmp_path / "c.yaml"
    for text in ("data: a.jsonl\n", "data: [a.jsonl]\n", "data: {a.jsonl: 1}\n"):
        path.write_text(text)
        assert parse_sources(load_config(str(path), {}).data) == [("a.jsonl", 1)]
    path.write_text("data: {a.jsonl: 2, b.jsonl: 0.5}\nsplit: train\n")
    config = load_config(str(path), {})
    assert parse_sources(config.data) == [("a.jsonl", 2), ("b.jsonl", 0.5)]
    assert TrainingConfig(**config.model_dump(mode="json")) == config
    config = load_config(str(path), {"data": ("c.jsonl",)})
    assert (config.data, config.split) == (("c.jsonl",), None)


def test_no_set_at_all_is_refused():
    with pytest.raises(ConfigError, match="data"):
        load_config(None, {"data": []})
