"""A question that kills its worker is found in bounded tries, and deaths by chance cost no bit."""

import pytest

from mcqa.scoring.loading import load_scorer
from mcqa.scoring.parts import Place
from mcqa.scoring.tries import Tries, score_part

BATCH = 4


class Killed(BaseException):
    """Stand for the end of a worker, which nobody catches."""


@pytest.fixture(scope="module")
def scorer(tiny_model_folder):
    return load_scorer(str(tiny_model_folder), "text", dtype="float32", device="cpu")


@pytest.fixture
def run(scorer, tiny_questions, tmp_path, monkeypatch):
    """Score with workers that `dies` ends, given a batch's ids and the number of deaths so far."""
    encoded, place = scorer.encoder.encode(tiny_questions), Place.of(str(tmp_path / "tries.json"))
    score_batch = type(scorer)._score_batch

    def workers(dies):
        deaths, blamed = [], []

        def blame(place, times):
            blamed.append((encoded[place].question.id, times))

        def score(self, batch):
            if dies({each.question.id for each in batch}, len(deaths)):
                raise Killed
            return score_batch(self, batch)

        monkeypatch.setattr(type(scorer), "_score_batch", score)
        while True:
            blamed.clear()
            try:
                tries = Tries(place)
                found = score_part(scorer, encoded, BATCH, tries, blame)
            except Killed:
                deaths.append(1)
                assert len(deaths) < 20, "tries are not bounded"
                continue
            tries.done()
            assert place.read() is None
            return [found[place] for place in sorted(found)], blamed, len(deaths)

    return workers


@pytest.fixture
def whole(scorer, tiny_questions):
    return scorer.score_many(tiny_questions, BATCH)


def test_a_worker_that_lives_writes_down_one_line(run, whole):
    assert run(lambda ids, deaths: False) == (whole, [], 0)


def test_a_question_that_kills_is_left_out_after_five_deaths(run, whole):
    found, blamed, deaths = run(lambda ids, deaths: "q17" in ids)
    assert (blamed, deaths) == ([("q17", 2)], 5)
    assert [p.id for p in found] == [p.id for p in whole if p.id != "q17"]


def test_two_of_them_in_different_batches_are_both_found(run, whole):
    found, blamed, _ = run(lambda ids, deaths: ids & {"q17", "q4"})
    assert sorted(blamed) == [("q17", 2), ("q4", 2)]
    assert len(found) == 34


@pytest.mark.bits
@pytest.mark.parametrize("times", [1, 2, 3])
def test_deaths_by_chance_in_one_batch_change_no_bit(run, whole, times):
    found, blamed, deaths = run(lambda ids, deaths: "q17" in ids and deaths < times)
    assert (found, blamed, deaths) == (whole, [], times)


def test_a_batch_that_kills_as_a_whole_is_scored_one_by_one(run, whole):
    found, blamed, deaths = run(lambda ids, deaths: "q17" in ids and len(ids) > 1)
    assert (blamed, deaths) == ([], 4)
    assert [p.id for p in found] == [p.id for p in whole]
