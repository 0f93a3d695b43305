"""How far scoring is on a cluster: questions done, a second, of each worker, and the time left.

The trap: workers load a model for minutes before the first part is done, and parts that are there
already cost nothing; neither may count into the speed.
"""

import time
from collections import defaultdict
from collections.abc import Callable


class Pace:
    """Keep what workers report.

    Args:
        total: how many questions there are.
        done: how many of them were done before.
        clock: returns seconds.

    Attributes:
        workers: of each by name, how many questions it has done and in how many seconds.

    >>> pace = Pace(300, 100, clock=iter((12.0,)).__next__)
    >>> pace.add("a", 50, seconds=10.0)
    >>> str(pace)
    '150 of 300 questions, 5.0/s, 30 s left; 1 worker: 5.0/s'
    """

    def __init__(self, total: int, done: int, clock: Callable[[], float] = time.monotonic):
        self.total, self.done, self._clock = total, done, clock
        self._since: float | None = None
        self._now = self._new = 0
        self.workers: dict[str, list[float]] = defaultdict(lambda: [0, 0.0])

    def add(self, worker: str, n: int, seconds: float) -> None:
        """Count n questions that a worker just finished, in so many seconds."""
        self._now = self._clock()
        if self._since is None:
            self._since = self._now - seconds
        self._new += n
        self.done += n
        counts = self.workers[worker]
        counts[0] += n
        counts[1] += seconds

    @property
    def speed(self) -> str:
        """How fast all and each are, and how long it takes still; nothing before the first part."""
        if not self._new:
            return ""
        rate = self._new / max(self._now - self._since, 1e-9)
        each = [n / max(seconds, 1e-9) for n, seconds in self.workers.values()]
        low, high = (f"{rate:,.1f}" for rate in (min(each), max(each)))
        speeds = low if low == high else f"{low} to {high}"
        workers = f"{len(each)} worker{'s' * (len(each) > 1)}"
        left = _duration((self.total - self.done) / rate)
        return f"{rate:,.1f}/s, {left} left; {workers}: {speeds}/s"

    def __str__(self) -> str:
        return ", ".join(filter(None, [f"{self.done:,} of {self.total:,} questions", self.speed]))


def _duration(seconds: float) -> str:
    minutes, hours = seconds / 60, seconds / 3600
    if hours >= 2:
        return f"{hours:.1f} h"
    return f"{minutes:.0f} min" if minutes >= 2 else f"{seconds:.0f} s"
