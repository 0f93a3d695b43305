import math

import numpy as np
import pytest
from sklearn.metrics import f1_score

from mcqa.evaluation.answers import Answers, pad
from mcqa.evaluation.quality import (
    brier_scores,
    confusion,
    gold_rank,
    macro_f1,
    question_values,
    tied_gold,
)
from mcqa.evaluation.resampling import observed


def test_values_of_each_question_are_those_computed_by_hand(answers_of):
    answers = answers_of(
        [0, 1, 3, 1], [(0.7, 0.2, 0.1), (0.6, 0.4), (0.4, 0.3, 0.2, 0.1), (0.2, 0.3, 0.5)]
    )
    values = question_values(answers)
    assert values["accuracy"].tolist() == [1, 0, 0, 0]
    assert values["top2"].tolist() == [1, 1, 0, 1]
    assert values["mrr"].tolist() == [1, 1 / 2, 1 / 4, 1 / 2]
    assert values["map3"].tolist() == [1, 1 / 2, 0, 1 / 2]
    expected = [-math.log(p) for p in (0.7, 0.4, 0.1, 0.3)]
    np.testing.assert_allclose(values["nll"], expected)
    # (0.3² + 0.2² + 0.1²), (0.6² + 0.6²), (0.4² + 0.3² + 0.2² + 0.9²), (0.2² + 0.7² + 0.5²)
    np.testing.assert_allclose(values["brier"], [0.14, 0.72, 1.10, 0.78])


def test_an_answer_without_scores_has_an_accuracy_and_nothing_else(generated, scored):
    answers = Answers.of([generated("a", 4, 4), generated("b", 0, None), scored("c", 1, [0, 1])])
    values = question_values(answers)
    assert values["accuracy"].tolist() == [1, 0, 1]
    for name in ("top2", "mrr", "map3", "nll", "brier"):
        assert np.isnan(values[name]).tolist() == [True, True, False], name
    assert list(question_values(answers.take([0, 1]))) == ["accuracy"]


def test_ties_rank_the_earlier_option_first_as_the_choice_does():
    rows = pad([(2.0, 2.0, 2.0)] * 3)
    assert gold_rank(rows, np.array([0, 1, 2])).tolist() == [1, 2, 3]
    assert tied_gold(rows, np.array([0, 1, 2])) == 3
    assert tied_gold(pad([(1.0, 1.0, 2.0), (1.0, 0.0)]), np.array([2, 0])) == 0


def test_rank_one_is_right_and_the_other_metrics_are_no_lower_than_accuracy(random_answers):
    answers = random_answers(300)
    assert tied_gold(answers.log_probabilities, answers.labels) > 10
    values = question_values(answers)
    rank_N = gold_rank(answers.log_probabilities, answers.labels)
    assert ((rank_N == 1) == answers.correct).all()
    for name in ("top2", "mrr", "map3"):
        assert (values[name] >= values["accuracy"]).all()


def test_an_option_of_probability_zero_is_told_from_one_that_does_not_exist():
    rows = np.array([[0.0, -np.inf, np.nan]])
    assert gold_rank(rows, np.array([1])).tolist() == [2]
    assert brier_scores(rows, np.array([1])).tolist() == [2.0]
    assert brier_scores(rows, np.array([0])).tolist() == [0.0]


def test_macro_f1_counts_an_unparsed_answer_against_recall_alone(generated):
    answers = Answers.of(
        [generated("a", 0, 0), generated("b", 0, None), generated("c", 1, 1), generated("d", 1, 0)]
    )
    # A: precision 1/2, recall 1/2. B: precision 1, recall 1/2, F1 2/3.
    assert observed(macro_f1(answers), 4)["macro_f1"] == pytest.approx((1 / 2 + 2 / 3) / 2)


@pytest.mark.parametrize("seed", range(5))
def test_macro_f1_is_that_of_scikit_learn(random_answers, seed):
    answers = random_answers(60, seed=seed, unscored=0.3)
    positions = sorted(set(answers.labels) | set(answers.choices) - {-1})
    expected = f1_score(answers.labels, answers.choices, labels=positions, average="macro")
    assert observed(macro_f1(answers), 60)["macro_f1"] == pytest.approx(expected)


def test_confusion_has_a_row_per_gold_position():
    table = confusion(np.array([0, 0, 2, 2, 2]), np.array([0, 1, 2, -1, 0]))
    assert table == {
        "positions": [0, 1, 2],
        "counts": [[1, 1, 0], [0, 0, 0], [1, 0, 1]],
        "unparsed": [0, 0, 1],
    }
