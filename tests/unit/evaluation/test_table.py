from mcqa.evaluation.bias import describe_positions
from mcqa.evaluation.measures import describe_run
from mcqa.evaluation.table import RSTD, metrics_of

CHOICE = metrics_of("choice")


def test_a_better_run_is_better_in_the_way_that_the_table_says(answers_of):
    good = [(0.97, 0.02, 0.01), (0.95, 0.03, 0.02), (0.9, 0.06, 0.04), (0.4, 0.5, 0.1)]
    bad = [(0.4, 0.35, 0.25), (0.1, 0.7, 0.2), (0.04, 0.9, 0.06), (0.01, 0.95, 0.04)]
    better, worse = (
        describe_run(answers_of([0] * 4, rows), resamples=5)["metrics"] for rows in (good, bad)
    )
    for name, metric in CHOICE.items():
        values = better[name]["value"], worse[name]["value"]
        assert values == tuple(sorted(values, reverse=not metric.lower_is_better)), name
        assert values[0] != values[1], name
        assert ("↓" in metric.title) == metric.lower_is_better
    fair, unfair = (
        answers_of([0, 1], rows) for rows in ([(0.9, 0.1), (0.1, 0.9)], [(0.9, 0.1)] * 2)
    )
    spreads = [describe_positions(run, resamples=5)["rstd"]["value"] for run in (fair, unfair)]
    assert RSTD.lower_is_better
    assert spreads == [0.0, 0.5]


def test_answers_without_scores_have_what_needs_none(answers_of):
    answers = answers_of([0, 1], [None, None])
    described = describe_run(answers, resamples=5)["metrics"]
    without = {name for name, metric in described.items() if metric["value"] is None}
    assert without == {name for name, metric in CHOICE.items() if metric.needs_scores}
