"""Numbers as people read them. A value that is not known (None) becomes a dash."""

from collections.abc import Callable, Sequence
from functools import wraps

UNKNOWN = "–"
Interval = Sequence[float] | None


def _dash_if_unknown(format: Callable[..., str]) -> Callable[..., str]:
    @wraps(format)
    def known(value, *settings, **named) -> str:
        return UNKNOWN if value is None else format(value, *settings, **named)

    return known


@_dash_if_unknown
def format_count(count: int | None) -> str:
    """Return a count, in thousands, millions or billions where it is long.

    >>> format_count(1500), format_count(999_960), format_count(4_884_480), format_count(None)
    ('1,500', '1.0 M', '4.9 M', '–')
    """
    return f"{count:,}" if count < 10_000 else _scaled(count, "kMB")


@_dash_if_unknown
def format_bytes(size: int | None) -> str:
    """Return a size in decimal units.

    >>> format_bytes(512), format_bytes(19_577_344), format_bytes(2_500_000_000)
    ('512 B', '19.6 MB', '2.5 GB')
    """
    return f"{size} B" if size < 1000 else _scaled(size, ("kB", "MB", "GB"))


@_dash_if_unknown
def format_seconds(seconds: float | None) -> str:
    """Return a duration in the two largest units that matter.

    >>> format_seconds(0.42), format_seconds(12.34), format_seconds(123), format_seconds(3725)
    ('0.42 s', '12.3 s', '2 min 3 s', '1 h 2 min')
    """
    if seconds < 59.95:
        return f"{seconds:.3g} s"
    if round(seconds) < 3600:
        return "{} min {} s".format(*divmod(round(seconds), 60))
    return "{} h {} min".format(*divmod(round(seconds / 60), 60))


@_dash_if_unknown
def format_rate(rate: float | None) -> str:
    """Return a number per second.

    >>> format_rate(0.4217), format_rate(17.04), format_rate(1234.5)
    ('0.42', '17.0', '1,234.5')
    """
    return f"{rate:,.1f}" if rate >= 1 else f"{rate:.2g}"


@_dash_if_unknown
def format_accuracy(accuracy: float | None, interval: Interval = None) -> str:
    """Return an accuracy in percent, with its interval where one is given.

    >>> format_accuracy(0.541, (0.5129, 0.5688)), format_accuracy(0.2)
    ('54.1% (51.3 to 56.9)', '20.0%')
    """
    shown = f"{accuracy:.1%}"
    return f"{shown} ({100 * interval[0]:.1f} to {100 * interval[1]:.1f})" if interval else shown


@_dash_if_unknown
def format_value(value: float | None, interval: Interval = None) -> str:
    """Return a number that is no share, with its interval where one is given.

    >>> format_value(1.0234, (0.97, 1.0749)), format_value(-0.00004), format_value(None)
    ('1.023 (0.970 to 1.075)', '0.000', '–')
    """
    shown = [f"{number:z.3f}" for number in (value, *(interval or ()))]
    return f"{shown[0]} ({shown[1]} to {shown[2]})" if interval else shown[0]


@_dash_if_unknown
def format_p_value(p: float | None, equals: str = "", digits: int = 2) -> str:
    """Return a p-value, never as zero, behind `equals` where it is given as it is.

    >>> format_p_value(0.03125), format_p_value(0.0001), format_p_value(1.0, "= ")
    ('0.031', '< 0.001', '= 1')
    """
    return "< 0.001" if p < 0.001 else f"{equals}{p:.{digits}g}"


@_dash_if_unknown
def format_share(known: dict | None) -> str:
    """Return a share with its interval, as files hold it (`value`, `ci95`)."""
    return format_accuracy(known["value"], known["ci95"])


def format_difference(difference: float, interval: Interval, *, share: bool = True) -> str:
    """Return a difference with its sign: of shares in points, of other numbers as it is.

    >>> format_difference(0.1, (0.02, 0.18)), format_difference(-0.5, None, share=False)
    ('+10.0 (+2.0 to +18.0)', '-0.500')
    """
    scale, digits = (100, 1) if share else (1, 3)
    shown = [f"{scale * x:+.{digits}f}" for x in (difference, *(interval or ()))]
    return f"{shown[0]} ({shown[1]} to {shown[2]})" if interval else shown[0]


def _scaled(value: float, units: Sequence[str]) -> str:
    """Return the value in the first unit (each 1,000 of the last) that keeps it below 1,000."""
    value /= 1000
    if round(value, 1) < 1000 or len(units) == 1:
        return f"{value:,.1f} {units[0]}"
    return _scaled(value, units[1:])
