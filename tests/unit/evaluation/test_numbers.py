import subprocess
import sys

import pytest

from mcqa.evaluation import numbers


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0"),
        (9_999, "9,999"),
        (10_000, "10.0 k"),
        (999_949, "999.9 k"),
        (999_950, "1.0 M"),
        (4_884_480, "4.9 M"),
        (7_000_000_000, "7.0 B"),
        (2_000_000_000_000, "2,000.0 B"),
        (None, "–"),
    ],
)
def test_counts(count, text):
    assert numbers.format_count(count) == text


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (19_577_344, "19.6 MB"),
        (999_999_999, "1.0 GB"),
        (None, "–"),
    ],
)
def test_sizes(size, text):
    assert numbers.format_bytes(size) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (0.0042, "0.0042 s"),
        (59.94, "59.9 s"),
        (59.96, "1 min 0 s"),
        (119.6, "2 min 0 s"),
        (123, "2 min 3 s"),
        (3599.4, "59 min 59 s"),
        (3599.6, "1 h 0 min"),
        (3725, "1 h 2 min"),
        (90_000, "25 h 0 min"),
        (None, "–"),
    ],
)
def test_durations(seconds, text):
    assert numbers.format_seconds(seconds) == text


@pytest.mark.parametrize(
    ("rate", "text"),
    [(0.4217, "0.42"), (1, "1.0"), (17.04, "17.0"), (1234.5, "1,234.5"), (None, "–")],
)
def test_rates(rate, text):
    assert numbers.format_rate(rate) == text


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ((0.541, (0.5129, 0.5688)), "54.1% (51.3 to 56.9)"),
        ((0.0, [0.0, 0.1611]), "0.0% (0.0 to 16.1)"),
        ((1.0,), "100.0%"),
        ((None, None), "–"),
    ],
)
def test_accuracies(arguments, text):
    assert numbers.format_accuracy(*arguments) == text


def test_formatting_numbers_loads_neither_matplotlib_nor_scipy():
    code = "import sys, mcqa.evaluation.numbers; print({'matplotlib', 'scipy'} & set(sys.modules))"
    printed = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout
    assert printed == "set()\n"
