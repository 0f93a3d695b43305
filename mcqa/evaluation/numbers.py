"""Numbers as people read them. A value that is not known (None) becomes a dash."""

from collections.abc import Sequence

UNKNOWN = "–"


def format_count(count: int | None) -> str:
    """Return a count, in thousands, millions or billions where it is long: 1,500 or 4.9 M."""
    if count is None:
        return UNKNOWN
    return f"{count:,}" if count < 10_000 else _scaled(count, ("k", "M", "B"))


def format_bytes(size: int | None) -> str:
    """Return a size in decimal units: 512 B, 19.6 MB."""
    if size is None:
        return UNKNOWN
    return f"{size} B" if size < 1000 else _scaled(size, ("kB", "MB", "GB"))


def format_seconds(seconds: float | None) -> str:
    """Return a duration in the two largest units that matter: 12.3 s, 2 min 3 s, 1 h 2 min."""
    if seconds is None:
        return UNKNOWN
    if seconds < 59.95:
        return f"{seconds:.3g} s"
    if round(seconds) < 3600:
        return "{} min {} s".format(*divmod(round(seconds), 60))
    return "{} h {} min".format(*divmod(round(seconds / 60), 60))


def format_rate(rate: float | None) -> str:
    """Return a number per second: 0.42, 17.0, 1,234.5."""
    if rate is None:
        return UNKNOWN
    return f"{rate:,.1f}" if rate >= 1 else f"{rate:.2g}"


def format_accuracy(accuracy: float | None, interval: Sequence[float] | None = None) -> str:
    """Return an accuracy in percent, with its interval if given: 54.1% (51.3 to 56.9)."""
    if accuracy is None:
        return UNKNOWN
    return f"{accuracy:.1%}" + _bracket([f"{100 * end:.1f}" for end in interval or ()])


def format_value(value: float | None, interval: Sequence[float] | None = None) -> str:
    """Return a number that is no share, with its interval if given: 1.023 (0.970 to 1.075)."""
    if value is None:
        return UNKNOWN
    shown, *ends = [f"{number:z.3f}" for number in (value, *(interval or ()))]
    return shown + _bracket(ends)


def format_p_value(p: float | None, equals: str = "") -> str:
    """Return a p-value, never as zero, behind `equals` where it is given as it is: = 0.0312."""
    if p is None:
        return UNKNOWN
    return "< 0.001" if p < 0.001 else f"{equals}{p:.3g}"


def format_share(known: dict | None) -> str:
    """Return a share with its interval, as files hold it (`value`, `ci95`)."""
    return format_accuracy(known["value"], known["ci95"]) if known else UNKNOWN


def format_difference(
    difference: float, interval: Sequence[float] | None, *, share: bool = True
) -> str:
    """Return a difference with its sign: of shares in points, of other numbers as it is."""
    scale, digits = (100, 1) if share else (1, 3)
    shown, *ends = [f"{scale * x:+.{digits}f}" for x in (difference, *(interval or ()))]
    return shown + _bracket(ends)


def _bracket(ends: Sequence[str]) -> str:
    return " ({} to {})".format(*ends) if ends else ""


def _scaled(value: float, units: Sequence[str]) -> str:
    """Return the value in the first unit (each 1,000 of the last) that keeps it below 1,000."""
    value /= 1000
    if round(value, 1) < 1000 or len(units) == 1:
        return f"{value:,.1f} {units[0]}"
    return _scaled(value, units[1:])
