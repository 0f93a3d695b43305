"""The difference of two runs in plain words that claim no more than the evidence allows.

A difference counts as shown only where the interval leaves zero out and the test's p-value,
corrected for the number of comparisons, is below 0.05.
"""


def verdict(result: dict) -> str:
    """Say which run is better, and no more than the interval and the test both allow.

    Args:
        result: what `mcqa.evaluation.comparison.compare` returns, without its verdict.
    """
    name_a, name_b = result["a"]["name"], result["b"]["name"]
    clusters, holm = result.get("clusters"), result.get("holm")
    sample = f"n = {result['n']}" + (f" in {clusters['n']} groups" if clusters else "")
    p_value = (holm or clusters or result["mcnemar"])["p_value"]
    test = f"{'permutation of groups' if clusters else 'exact McNemar'} {_p_value(p_value)}"
    if holm:
        test += f" after Holm's correction for {holm['comparisons']} comparisons"
    if not result["mcnemar"]["a_only"] and not result["mcnemar"]["b_only"]:
        return (
            f"No difference can be shown: {name_a} and {name_b} get the same questions right "
            f"({sample}, {test}). That does not prove them equal on other questions."
        )
    difference, (low, high) = result["difference"], result["difference_ci95"]
    better, other = name_b, name_a
    if difference < 0:
        difference, low, high = -difference, -high, -low
        better, other = name_a, name_b
    finding = (
        f"{better} answers {_points(difference)} points more of the questions right than {other}"
        if difference
        else f"{name_a} and {name_b} answer the same number of questions right"
    )
    evidence = f"{sample}, 95% interval {_points(low)} to {_points(high)} points, {test}"
    interval_shows, test_shows = low > 0, p_value < 0.05
    if interval_shows and test_shows:
        return f"{finding} ({evidence})."
    if not interval_shows and not test_shows:
        return (
            f"No difference can be shown: on these questions, {finding}, "
            f"which may be luck ({evidence})."
        )
    reason = (
        "the interval leaves zero out but the test's p is not below 0.05"
        if interval_shows
        else "the test's p is below 0.05 but the interval includes zero"
    )
    return (
        f"No difference can be shown safely: {finding} ({evidence}), "
        f"and the two measures disagree: {reason}. More questions would settle it."
    )


def _points(share: float) -> str:
    """Return a share as percentage points, never rounding a difference away to zero."""
    points = 100 * share
    if points == 0:
        return "0.0"
    return f"{points:.1f}" if abs(points) >= 0.05 else f"{points:.1g}"


def _p_value(p: float) -> str:
    return "p < 0.001" if p < 0.001 else f"p = {p:.3g}"
