"""What a server counts, as Prometheus reads it; no text of a request is in it."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
QUESTIONS = (1, 2, 4, 8, 16, 32, 64, 128, 400)


class Measured:
    """Count requests, questions, tokens and batches, each server by itself.

    Args:
        waiting: returns how many requests wait.
    """

    def __init__(self, waiting: Callable[[], int]):
        self._registry = CollectorRegistry()
        own = {"registry": self._registry}
        self._requests = Counter("mcqa_requests", "Requests by status", ["path", "status"], **own)
        self._seconds = Histogram(
            "mcqa_request_seconds", "From a request to its answer", ["path"], buckets=SECONDS, **own
        )
        self._questions = Counter("mcqa_questions", "Questions answered", ["model"], **own)
        self._tokens = Counter("mcqa_tokens", "Tokens computed", ["model"], **own)
        self._batches = Histogram(
            "mcqa_batch_questions", "Questions computed together", buckets=QUESTIONS, **own
        )
        self._computing = Counter("mcqa_model_seconds", "What the model computed for", **own)
        waits = Gauge("mcqa_waiting_requests", "Requests that wait for the model", **own)
        waits.set_function(waiting)

    def request(self, path: str, status: int, seconds: float) -> None:
        """Count a request that is over."""
        self._requests.labels(path, str(status)).inc()
        self._seconds.labels(path).observe(seconds)

    def answered(self, model: str, questions: int, tokens: int) -> None:
        """Count what a request was answered."""
        self._questions.labels(model).inc(questions)
        self._tokens.labels(model).inc(tokens)

    def batch(self, questions: int, seconds: float) -> None:
        """Count a batch, as `Batcher` tells it."""
        self._batches.observe(questions)
        self._computing.inc(seconds)

    def page(self) -> bytes:
        """Return what Prometheus reads."""
        return generate_latest(self._registry)
