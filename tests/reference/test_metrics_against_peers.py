"""The metrics against scikit-learn and scipy, and against plain loops."""

import numpy as np
import pytest
from scipy.stats import chi2, permutation_test
from sklearn.calibration import calibration_curve
from sklearn.metrics import (
    auc,
    brier_score_loss,
    cohen_kappa_score,
    confusion_matrix,
    f1_score,
    label_ranking_average_precision_score,
    log_loss,
    roc_auc_score,
    top_k_accuracy_score,
)

from mcqa.evaluation.answers import Answers
from mcqa.evaluation.confidence import risk_coverage
from mcqa.evaluation.measures import describe_run
from mcqa.evaluation.paired import agreement
from mcqa.evaluation.significance import (
    cochran_q,
    holm,
    mcnemar,
    minimum_detectable_difference,
    sign_flip_test,
)


def run(n=400, options=4, seed=0):
    rng = np.random.default_rng(seed)
    label_N = rng.integers(options, size=n)
    scores_NO = rng.normal(size=(n, options)) + (label_N[:, None] == np.arange(options))
    return Answers.from_scores([str(i) for i in range(n)], label_N, scores_NO)


@pytest.fixture(scope="module")
def answers():
    return run()


@pytest.fixture(scope="module")
def described(answers):
    return describe_run(answers, resamples=20)


@pytest.fixture(scope="module")
def value(described):
    return {name: metric["value"] for name, metric in described["metrics"].items()}


def test_metrics_are_those_of_scikit_learn(answers, value):
    label_N, probability_NO = answers.labels, np.exp(answers.log_probabilities)
    one_hot_NO = np.eye(4)[label_N]
    assert value["nll"] == pytest.approx(log_loss(label_N, probability_NO))
    assert value["brier"] == pytest.approx(
        brier_score_loss(label_N, probability_NO, scale_by_half=False)
    )
    assert value["top2"] == pytest.approx(top_k_accuracy_score(label_N, probability_NO, k=2))
    # with one right option per question, average precision is one over its rank
    assert value["mrr"] == pytest.approx(
        label_ranking_average_precision_score(one_hot_NO, probability_NO)
    )
    assert value["macro_f1"] == pytest.approx(f1_score(label_N, answers.choices, average="macro"))
    assert value["auroc"] == pytest.approx(roc_auc_score(answers.correct, answers.confidence))


def test_confusion_is_that_of_scikit_learn(answers, described):
    expected = confusion_matrix(answers.labels, answers.choices).tolist()
    assert described["confusion"]["counts"] == expected


def test_map3_is_that_of_a_plain_loop(answers, value):
    total = 0.0
    for label, row in zip(answers.labels, answers.log_probabilities, strict=True):
        for place, option in enumerate(np.argsort(-row)[:3], 1):
            total += (option == label) / place
    assert value["map3"] == pytest.approx(total / len(answers))


@pytest.mark.parametrize(("name", "strategy"), [("ece", "uniform"), ("ece_equal_mass", "quantile")])
def test_reliability_is_that_of_scikit_learn(answers, described, value, name, strategy):
    accuracy_M, confidence_M = calibration_curve(
        answers.correct, answers.confidence, n_bins=15, strategy=strategy
    )
    points = described["reliability"][name]
    gaps = [point["n"] * abs(point["accuracy"] - point["confidence"]) for point in points]
    assert value[name] == pytest.approx(sum(gaps) / 400)
    if strategy == "uniform":
        assert [point["accuracy"] for point in points] == pytest.approx(accuracy_M.tolist())
        assert [point["confidence"] for point in points] == pytest.approx(confidence_M.tolist())
    else:  # scikit-learn interpolates its quantiles, so that a bin may differ by one question
        assert [point["n"] for point in points] == pytest.approx([400 / 15] * 15, abs=1)
        assert [point["confidence"] for point in points] == pytest.approx(
            confidence_M.tolist(), abs=0.005
        )


def test_the_area_under_the_curve_comes_near_the_trapezoid_under_its_points(answers, value):
    curve = risk_coverage(answers.confidence, answers.correct)
    assert value["aurc"] == pytest.approx(auc(curve["coverage"], curve["risk"]), abs=0.003)
    errors = np.cumsum(~answers.correct[np.argsort(-answers.confidence)])
    assert value["aurc"] == pytest.approx((errors / np.arange(1, 401)).mean())


def test_kappa_is_that_of_scikit_learn():
    a, b = run(seed=1).choices, run(seed=2).choices
    assert agreement(a, b, resamples=5)["kappa"] == pytest.approx(cohen_kappa_score(a, b))


def test_kappa_of_a_textbook_example():
    # 50 grant proposals: 20 accepted by both readers, 15 by none, 5 and 10 by one.
    a = np.array([1] * 20 + [1] * 5 + [0] * 10 + [0] * 15)
    b = np.array([1] * 20 + [0] * 5 + [1] * 10 + [0] * 15)
    result = agreement(a, b, resamples=5)
    assert (result["share"], result["kappa"]) == pytest.approx((0.7, 0.4))


def test_kappas_interval_is_near_the_one_from_its_standard_error():
    rng = np.random.default_rng(0)
    a = rng.integers(4, size=1000)
    b = np.where(rng.random(1000) < 0.5, a, rng.integers(4, size=1000))
    result = agreement(a, b, resamples=2000)
    # the simple standard error, sqrt(po (1 - po) / n) / (1 - pe)
    error = (result["share"] * (1 - result["share"]) / 1000) ** 0.5 / 0.75
    low, high = result["kappa_ci95"]
    assert high - low == pytest.approx(2 * 1.96 * error, rel=0.08)


def test_sign_flips_agree_with_scipys_permutation_test():
    rng = np.random.default_rng(0)
    gains = rng.normal(0.15, 1, size=80)
    peer = permutation_test(
        (gains,),
        np.mean,
        permutation_type="samples",
        n_resamples=20_000,
        rng=np.random.default_rng(1),
    )
    ours = sign_flip_test(gains[:, None], permutations=20_000)[0]
    assert ours == pytest.approx(peer.pvalue, abs=0.01)


@pytest.mark.parametrize(
    ("times", "q", "p_value"),
    [
        # Conover (1999), Practical nonparametric statistics: 12 games, 3 forecasters.
        ({"111": 6, "010": 2, "110": 2, "000": 1, "001": 1}, 2.8, 0.2466),
        # SAS/STAT User's Guide, The FREQ procedure, "Cochran's Q test": 46 patients, 3 drugs.
        (
            {
                "111": 6,
                "011": 2,
                "110": 16,
                "010": 4,
                "101": 2,
                "001": 6,
                "100": 4,
                "000": 6,
            },
            8.4706,
            0.0145,
        ),
    ],
)
def test_cochrans_q_matches_published_examples(times, q, p_value):
    rows = [row for row, count in times.items() for _ in range(count)]
    correct_NK = np.array([[int(mark) for mark in row] for row in rows])
    assert cochran_q(correct_NK) == pytest.approx((q, p_value), abs=5e-5)


def test_cochrans_q_follows_chi_squared_where_runs_are_alike():
    rng = np.random.default_rng(0)
    ease_N1 = rng.random((300, 1))
    p_values = [cochran_q(rng.random((300, 4)) < ease_N1)[1] for _ in range(1000)]
    assert np.mean(np.array(p_values) < 0.05) == pytest.approx(0.05, abs=0.02)
    assert chi2.sf(7.814728, 3) == pytest.approx(0.05, rel=1e-5)


def test_holms_correction_rejects_what_his_steps_reject():
    # Step by step, at level 0.05: 0.0026 <= 0.05/4, 0.011 <= 0.05/3, but 0.039 > 0.05/2.
    corrected = holm([0.039, 0.011, 0.35, 0.0026])
    assert [p < 0.05 for p in corrected] == [False, True, False, True]
    assert corrected == pytest.approx([2 * 0.039, 3 * 0.011, 0.35, 4 * 0.0026])


def test_the_detectable_difference_is_found_eight_times_in_ten():
    n, discordant = 1000, 300
    difference = minimum_detectable_difference(discordant, n)
    psi = discordant / n
    shares = ((psi - difference) / 2, (psi + difference) / 2, 1 - psi)
    counts = np.random.default_rng(0).multinomial(n, shares, size=1500)
    found = np.mean([mcnemar(a_only, b_only) < 0.05 for a_only, b_only, _ in counts])
    # the exact test is a little more cautious than the formula's normal approximation
    assert found == pytest.approx(0.79, abs=0.03)
