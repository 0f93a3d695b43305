"""Properties of every kind's metrics: bounds, order of the questions, scikit-learn's values."""

from dataclasses import replace

import numpy as np
import pytest
from mixed_answers import answer, questions_of
from sklearn import metrics as sk

from mcqa.errors import ComparisonError, ConfigError
from mcqa.evaluation.answers import Answers
from mcqa.evaluation.comparison import compare
from mcqa.evaluation.fitting import apply_temperature, average, fit_stack, fit_temperature, stack
from mcqa.evaluation.measures import describe_run, run_statistic
from mcqa.evaluation.paired import describe_pair
from mcqa.evaluation.pairing import align, align_kinds, check_aligned
from mcqa.evaluation.resampling import observed
from mcqa.evaluation.sets import SetAnswers, answers_of, joint_codes
from mcqa.evaluation.table import METRICS, metrics_of
from mcqa.kinds import KINDS, median_level

N = 60


def run(kind, seed=0, n=N, **how):
    targets = how.pop("targets", True)
    return answers_of(answer(questions_of(kind, n, targets=targets), seed=seed, **how))


def values(answers):
    return observed(run_statistic(answers), len(answers))


@pytest.mark.parametrize("unscored", [0.0, 0.4])
@pytest.mark.parametrize("kind", KINDS)
def test_every_metric_of_a_kind_is_known_and_within_its_bounds(kind, unscored):
    described = describe_run(run(kind, unscored=unscored), resamples=20)["metrics"]
    assert list(described) == list(metrics_of(kind, targets=True))
    for name, found in described.items():
        low, high = found["ci95"]
        assert METRICS[name].lowest <= low <= high, name
        assert METRICS[name].lowest <= found["value"], name
        unbounded = METRICS[name].lower_is_better and name in ("nll", "soft_nll", "brier")
        if not unbounded and not name.startswith("mae"):
            assert found["value"] <= 1, name


@pytest.mark.parametrize("kind", KINDS)
def test_no_metric_depends_on_the_order_of_the_questions(kind):
    answers = run(kind, unscored=0.3)
    mixed = answers.take(np.random.default_rng(0).permutation(N))
    assert values(mixed) == pytest.approx(values(answers), rel=1e-9)


@pytest.mark.parametrize("kind", KINDS)
def test_drawing_a_question_twice_is_having_it_twice(kind):
    answers = run(kind, unscored=0.3)
    weight = np.random.default_rng(1).integers(0, 3, size=N)
    statistic = run_statistic(answers)
    weighted = {name: float(v[0]) for name, v in statistic(weight[None, :].astype(float)).items()}
    twice = values(answers.take(np.repeat(np.arange(N), weight)))
    for name in set(weighted) - {"ece_equal_mass"}:  # its bins stay those of the data
        assert weighted[name] == pytest.approx(twice[name], nan_ok=True), name


def test_metrics_of_sets_are_scikit_learns():
    answers, found = run("several", unscored=0.3), values(run("several", unscored=0.3))
    label, choice = answers.labels, answers.choices
    assert found["accuracy"] == pytest.approx(
        (sk.accuracy_score(label, choice) * N - (~answers.parsed & ~label.any(1)).sum()) / N
    )
    assert found["f1_micro"] == pytest.approx(sk.f1_score(label, choice, average="micro"))
    assert found["f1_macro"] == pytest.approx(sk.f1_score(label, choice, average="macro"))
    known = answers.take(answers.scored)
    jaccard = sk.jaccard_score(known.labels, known.choices, average="samples", zero_division=1)
    assert values(known)["jaccard"] == pytest.approx(jaccard)
    four = known.take((~np.isnan(known.log_odds)).sum(1) == 4)
    probability, label = four.probabilities[:, :4], four.labels[:, :4]
    assert values(four)["hamming"] == pytest.approx(sk.hamming_loss(label, four.choices[:, :4]))
    log_loss = sk.log_loss(label.ravel().astype(int), probability.ravel())
    assert values(four)["nll"] == pytest.approx(log_loss)
    brier = sk.brier_score_loss(label.ravel(), probability.ravel())
    assert values(four)["brier"] == pytest.approx(brier)


def test_metrics_of_scales_and_of_yes_and_no_are_scikit_learns():
    scale = run("scale", unscored=0.3)
    read = scale.take(scale.parsed)
    kappa = sk.cohen_kappa_score(read.labels, read.choices, weights="quadratic")
    assert values(scale)["quadratic_kappa"] == pytest.approx(kappa)
    predictions = answer(questions_of("scale", N))
    off = [abs(p.label - p.median) for p in predictions]
    expected = [abs(p.label - p.expected) for p in predictions]
    found = values(answers_of(predictions))
    assert found["mae_median"] == pytest.approx(np.mean(off))
    assert found["mae_expected"] == pytest.approx(np.mean(expected))
    assert all(p.median == median_level(p.probabilities) for p in predictions)
    yes_no = run("yes_no")
    is_yes, probability = yes_no.labels == 0, yes_no.probabilities[:, 0]
    found = describe_run(yes_no, resamples=5)["metrics"]
    assert found["auroc_yes"]["value"] == pytest.approx(sk.roc_auc_score(is_yes, probability))
    at = found["yes_recall"]["at"]
    called = probability >= at["threshold"]
    assert at["precision"] == sk.precision_score(is_yes, called) >= 0.9
    assert found["yes_recall"]["value"] == at["recall"] == sk.recall_score(is_yes, called)


def test_no_level_or_yes_alone_has_a_value_of_nothing():
    scale = run("scale")
    same = replace(scale, labels=np.ones(N, dtype=int), choices=np.ones(N, dtype=int))
    assert np.isnan(values(same)["quadratic_kappa"])
    only_no = run("yes_no")
    only_no = replace(only_no, labels=np.ones(N, dtype=int))
    described = describe_run(only_no, resamples=5)["metrics"]
    assert described["auroc_yes"]["value"] is None
    assert described["yes_recall"] == {
        "value": None,
        "n": N,
        "ci95": None,
        "interval": None,
        "at": None,
    }


def test_soft_labels_are_met_exactly_by_their_own_probabilities():
    for kind in KINDS:
        answers = run(kind)
        targets = np.clip(answers.targets, 1e-9, 1 - 1e-9)
        logs = np.log(targets) - (np.log1p(-targets) if KINDS[kind].several else 0)
        perfect = values(answers.rescored(logs))
        assert perfect["total_variation"] == pytest.approx(0, abs=1e-6)
        assert perfect["soft_nll"] < values(answers)["soft_nll"]
        assert "soft_nll" not in values(run(kind, targets=False))


def test_a_perfect_run_is_perfect_in_all_metrics_of_sets():
    answers = run("several")
    best = answers.rechosen(np.where(np.isnan(answers.log_odds), np.nan, 50 * answers.truth - 25))
    found = values(best)
    for name in ("accuracy", "jaccard", "f1_micro", "f1_macro"):
        assert found[name] == 1
    for name in ("hamming", "nll", "brier", "ece"):
        assert found[name] == pytest.approx(0, abs=1e-9)


def test_calibration_of_sets_counts_options_and_its_bins_hold_them_all():
    answers = run("several", unscored=0.3)
    described = describe_run(answers, resamples=5)
    exists = ~np.isnan(answers.log_odds)
    for name, bins in described["reliability"].items():
        assert sum(point["n"] for point in bins) == exists.sum()
        gap = sum(p["n"] * abs(p["accuracy"] - p["confidence"]) for p in bins) / exists.sum()
        assert described["metrics"][name]["value"] == pytest.approx(gap)


def test_a_temperature_of_sets_makes_them_likeliest():
    answers = run("several", n=400)
    too_sure = answers.rescored(3 * answers.log_odds)
    fitted, plain = fit_temperature(too_sure), fit_temperature(answers)
    assert fitted["temperature"] == pytest.approx(3 * plain["temperature"], rel=1e-6)
    best = apply_temperature(too_sure, fitted["temperature"]).log_likelihood.mean()
    for factor in (0.9, 1.1):
        other = apply_temperature(too_sure, factor * fitted["temperature"])
        assert other.log_likelihood.mean() < best


def test_sets_are_combined_by_option():
    a, b = run("several", n=300), run("several", seed=1, n=300)
    mean = average(a, b)
    both = (a.probabilities + b.probabilities) / 2
    np.testing.assert_allclose(mean.probabilities, both)
    assert (mean.choices == (np.nan_to_num(both) >= 0.5)).all()
    weights = fit_stack(a, b)
    weights.pop("n")
    stacked = stack(a, b, **weights)
    for run_ in (a, b, mean):
        assert stacked.log_likelihood.mean() >= run_.log_likelihood.mean()


@pytest.mark.parametrize("clustered", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_pairs_of_every_kind_are_compared_in_all_its_metrics(kind, clustered):
    a, b = run(kind, unscored=0.2), run(kind, seed=1, strength=0.5, unscored=0.1)
    cluster_N = np.arange(N) // 3 if clustered else None
    how = {"cluster_N": cluster_N, "resamples": 50}
    accuracies = compare(a.correct, b.correct, ("a", "b"), **how)
    paired = describe_pair(a, b, accuracies, other_resamples=20, permutations=50, **how)
    assert list(paired["metrics"]) == list(metrics_of(kind, targets=True))
    for name, found in paired["metrics"].items():
        low, high = found["ci95"]
        assert low <= high, name
        assert found["difference"] == pytest.approx(found["b"] - found["a"])
    same = int((a.correct & b.correct).sum())
    assert paired["table"]["both"] == same
    assert 0 <= paired["agreement"]["share"] <= 1


def test_choices_of_sets_are_equal_as_numbers_where_they_are_equal_as_sets():
    a, b = run("several", unscored=0.4), run("several", seed=1, unscored=0.4)
    code_a, code_b = joint_codes(a, b)
    for at in range(N):
        assert (code_a[at] == code_b[at]) == (a.choice_of(at) == b.choice_of(at))
        assert (code_a[at] == -1) == (not a.parsed[at])


def test_an_empty_set_is_an_answer_and_an_unread_one_is_not():
    questions = questions_of("several", 3)
    empty = [replace(q, label=()) for q in questions]
    predictions = answer(empty, unscored=1.0)
    read = [replace(p, choice=()) for p in predictions]
    unread = [replace(p, choice=None) for p in predictions]
    assert values(answers_of(read))["accuracy"] == 1
    assert values(answers_of(read))["jaccard"] == 1
    assert values(answers_of(read))["f1_micro"] == 1
    assert values(answers_of(unread))["accuracy"] == 0
    assert values(answers_of(unread))["jaccard"] == 0
    assert describe_run(answers_of(unread), resamples=5)["unparsed"] == 3


def test_arrays_of_several_kinds_are_made_by_kind_only():
    runs = {
        name: answer([*questions_of("several", 4), *questions_of("scale", 4)], seed=seed)
        for seed, name in enumerate("ab")
    }
    with pytest.raises(ConfigError, match="of the kinds several, scale are described each"):
        align(runs)
    aligned = align_kinds(runs)
    assert list(aligned) == ["scale", "several"]
    assert isinstance(aligned["several"]["b"], SetAnswers)
    assert aligned["scale"]["a"].kind == "scale"
    with pytest.raises(ConfigError, match="of the kinds several are described"):
        Answers.of(runs["a"][:4])


def test_runs_that_differ_in_kind_label_or_index_are_refused():
    predictions = answer(questions_of("several", 4))
    other = [replace(predictions[0], label=(0, 1) if predictions[0].label == (0,) else (0,))]
    with pytest.raises(ComparisonError, match=r"has label \("):
        align({"a": predictions[:1], "b": other})
    as_choice = [replace(predictions[0], kind="choice", label=0, choice=0)]
    with pytest.raises(ComparisonError, match="of the kind several in a and of the kind choice"):
        align({"a": predictions[:1], "b": as_choice})
    with pytest.raises(ConfigError, match="choice 9 is not one of its options"):
        answers_of([replace(predictions[0], choice=(0, 9))])
    a, b = answers_of(predictions), answers_of(predictions[::-1])
    with pytest.raises(ComparisonError, match="not aligned"):
        check_aligned(a, b)
