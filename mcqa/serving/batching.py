"""Requests that wait for the model, and the one thread that owns it.

While the model computes, requests wait; then those at the front that ask the same model go
together, up to the questions of some forward passes, which are the fuller for it: a pass takes
questions of one number of options and of like length. A request that finds the model idle waits a
few milliseconds for company. Each is encoded by itself, so that what does not fit is refused alone.

What else is in a batch shows in a score's last bits. `invariant` computes every question by itself:
its answer is `Scorer.score`'s to the last bit, whoever else asked.
"""

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field

from mcqa.errors import EncodingError, McqaError, RequestError
from mcqa.prediction import Prediction
from mcqa.question import Question
from mcqa.scoring.scorer import Prepared, Scorer
from mcqa.serving.limits import Limits

PASSES = 4  # whose questions go together at most; more would keep the first to be done waiting


@dataclass(eq=False)
class Job:
    """Hold what one request asks of one model; `future` becomes its predictions."""

    scorer: Scorer
    questions: Sequence[Question]
    since: float = field(default_factory=time.monotonic)
    future: Future = field(default_factory=Future)


class Batcher:
    """Answer jobs in common batches, in a thread of its own, from the front of one queue.

    Args:
        batch_size: questions a forward pass; jobs of `PASSES` times as many go together.
        wait: seconds that a job waits for others at most, while the model is idle.
        limits: of waiting jobs and of tokens.
        invariant: compute each question by itself.
        cut: shorten questions that are too long, which is counted, instead of refusing them.
        on_batch: called with the questions and the seconds of each batch.
    """

    def __init__(
        self,
        *,
        batch_size: int = 16,
        wait: float = 0.002,
        limits: Limits,
        invariant: bool = False,
        cut: bool = False,
        on_batch: Callable[[int, float], None] = lambda questions, seconds: None,
    ):
        self.batch_size, self.wait, self.limits = batch_size, wait, limits
        self.invariant, self.cut, self.on_batch = invariant, cut, on_batch
        self._waiting: list[Job] = []
        self._changed = threading.Condition()
        self._closed, self._rate = False, 0.0  # questions a second, lately
        self._thread = threading.Thread(target=self._work, name="model", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """How many jobs wait."""
        return len(self._waiting)

    @property
    def is_ready(self) -> bool:
        """Whether jobs are taken and answered."""
        return not self._closed and self._thread.is_alive()

    def submit(self, scorer: Scorer, questions: Sequence[Question]) -> Future:
        """Put a job at the end of the queue; its future may be cancelled while it waits.

        Raises:
            RequestError: the queue is full, or closed.
        """
        job = Job(scorer, questions)
        with self._changed:
            if not self.is_ready:
                raise RequestError(
                    "the server is shutting down; ask again in a moment.",
                    status=503,
                    code="shutting_down",
                    retry_after=1,
                )
            if len(self._waiting) >= self.limits.waiting:
                raise RequestError(
                    f"{len(self._waiting)} requests wait already; ask again later.",
                    status=429,
                    code="too_many_requests",
                    retry_after=self._seconds_of_work(),
                )
            self._waiting.append(job)
            self._changed.notify_all()
        job.future.add_done_callback(lambda future: self._forget(job))
        return job.future

    def close(self) -> None:
        """Answer what waits, and end the thread."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._thread.join()

    def _seconds_of_work(self) -> int:
        questions = sum(len(job.questions) for job in self._waiting)
        return min(60, 1 + int(questions / self._rate)) if self._rate else 1

    def _forget(self, job: Job) -> None:
        """Free the place of a job whose client has left."""
        if job.future.cancelled():
            with self._changed:
                if job in self._waiting:
                    self._waiting.remove(job)

    def _work(self) -> None:
        while jobs := self._next():
            started = time.monotonic()
            self._answer(jobs)
            count, seconds = sum(len(job.questions) for job in jobs), time.monotonic() - started
            self._rate = count / seconds if seconds else self._rate
            self.on_batch(count, seconds)

    def _next(self) -> list[Job]:
        """Return the jobs of the next batch, none when all is done."""
        with self._changed:
            while True:
                if not self._waiting:
                    if self._closed:
                        return []
                    self._changed.wait()
                    continue
                first = self._waiting[0]
                jobs = self._together(first)
                left = first.since + self.wait - time.monotonic()
                full = sum(len(job.questions) for job in jobs) >= self.batch_size
                if full or left <= 0 or self._closed:
                    break
                self._changed.wait(left)
            self._waiting = [job for job in self._waiting if job not in jobs]
            return jobs

    def _together(self, first: Job) -> list[Job]:
        """Return the first job, and others of its model up to the questions that go together."""
        jobs, count = [], 0
        for job in self._waiting:
            if job.scorer is first.scorer and (not jobs or count < PASSES * self.batch_size):
                jobs.append(job)
                count += len(job.questions)
        return jobs

    def _answer(self, jobs: Sequence[Job]) -> None:
        ready = []
        for job in jobs:
            if job.future.set_running_or_notify_cancel():
                try:
                    ready.append((job, self._prepare(job)))
                except Exception as error:
                    job.future.set_exception(as_request_error(error))
        if self.invariant or len(ready) < 2:
            for job, lot in ready:
                self._score([job], [lot])
        else:
            self._score(*zip(*ready, strict=True))

    def _prepare(self, job: Job) -> Prepared:
        lot = job.scorer.prepare(job.questions)
        self.limits.check_tokens(sum(encoded.tokens for encoded in lot.encoded))
        for encoded in lot.encoded:
            if encoded.truncated and not self.cut:
                raise RequestError(
                    f"question {encoded.question.id!r} is {encoded.truncated} tokens longer than "
                    f"the {job.scorer.encoder.max_length} that the model reads. Shorten what is "
                    "read before it, or start the server with --cut.",
                    code="too_long",
                    where=("questions",),
                )
        return lot

    def _score(self, jobs: Sequence[Job], lots: Sequence[Prepared]) -> None:
        scorer = jobs[0].scorer
        try:
            if self.invariant:
                answers = [[scorer.score(question) for question in job.questions] for job in jobs]
            else:
                answers = scorer.score_prepared(lots, self.batch_size)
        except Exception as error:
            if len(jobs) == 1:
                jobs[0].future.set_exception(as_request_error(error))
                return
            for job, lot in zip(jobs, lots, strict=True):  # who is to blame is told alone
                self._score([job], [lot])
            return
        for job, predictions in zip(jobs, answers, strict=True):
            job.future.set_result(_calibrated(scorer, predictions))


def _calibrated(scorer: Scorer, predictions: Sequence[Prediction]) -> list[Prediction]:
    return [scorer.calibrated(prediction) for prediction in predictions]


def as_request_error(error: Exception) -> RequestError:
    """Return what a client is told: the question's fault, or the server's."""
    if isinstance(error, RequestError):
        return error
    if isinstance(error, EncodingError):
        told = RequestError(str(error), code="too_long", where=("questions",))
    elif isinstance(error, McqaError):
        told = RequestError(str(error), status=500, code="not_scored")
    else:
        told = RequestError("the server failed; its log has more.", status=500, code="bug")
    told.__cause__ = error
    return told
