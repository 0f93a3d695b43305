"""A server as a scorer: questions go out one by one, several at a time, and predictions come back.

A question is a request of its own, so that no other can show in its answer, and what is answered is
written down at once: an interrupted job goes on without asking twice.
"""

import contextlib
import math
import threading
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import NamedTuple

from mcqa.data.judgements import is_judged, split
from mcqa.errors import ConfigError
from mcqa.formulations.judged import join
from mcqa.kinds import KINDS
from mcqa.prediction import Prediction
from mcqa.question import LETTERS, Question
from mcqa.scoring.remote import decision_servers, language_servers
from mcqa.scoring.remote.client import Client
from mcqa.scoring.remote.decision_servers import tokens_of
from mcqa.scoring.remote.names import RemoteModel
from mcqa.system import processes


class Format(NamedTuple):
    """Say how a server is asked a question, and how an option's scores are read.

    `judges` says whether a question with several right answers is asked option by option.
    """

    scorer: str
    template: str
    body: Callable[[Question, str], dict]
    scores: Callable[[dict, Question], list[float]]
    judges: bool


OWN = "the server's own"
FORMATS = {
    "systemone": Format(
        "systemone", OWN, decision_servers.systemone_body, decision_servers.systemone_scores, False
    ),
    "decisions": Format(
        "decisions", OWN, decision_servers.decisions_body, decision_servers.decisions_scores, True
    ),
    "completions": Format(
        "text",
        "cloze",
        language_servers.completions_body,
        language_servers.completions_scores,
        True,
    ),
    "chat": Format(
        "letter", "lettered", language_servers.chat_body, language_servers.chat_scores, True
    ),
}


class Unasked(NamedTuple):
    """Hold a question as it is asked: a server gets its text, and no tokens."""

    question: Question


class RemoteScorer:
    """Score questions by asking a server; in what commands ask of it, like a `Scorer`.

    Args:
        remote: which server, and which of its models.
        client: how to ask; by default as `Client` does.

    Attributes:
        batch_limit: None: nothing is computed here that memory could limit.
    """

    calibration: Mapping[str, dict] | None = None
    batch_limit: int | None = None
    device = "cpu"

    def __init__(self, remote: RemoteModel, client: Client | None = None):
        self.remote, self.client = remote, client or Client(remote.url)
        self._format = FORMATS[remote.format]
        self.name, self.template = self._format.scorer, self._format.template

    def temperature_of(self, kind: str) -> float | None:
        """Return None: whatever the server fitted is in its answers."""
        return None

    def calibrated(self, prediction: Prediction) -> Prediction:
        """Return the prediction as it is."""
        return prediction

    def encode_stored(self, questions: Sequence[Question]) -> list[Unasked]:
        """Return questions as `score_encoded` takes them."""
        return list(map(Unasked, questions))

    def keeping(self) -> contextlib.AbstractContextManager:
        """Keep nothing: no keys and values are here."""
        return contextlib.nullcontext()

    def work(self, encoded: Sequence[Unasked] | None = None) -> dict:
        """Return what decides the answers, as far as it is known here."""
        return {
            "scorer": self.name,
            "template": self.template,
            "context": "data",
            "server": self.remote.url,
            "its model": self.remote.model,
        }

    def score(self, question: Question) -> Prediction:
        """Score one question's options."""
        return self.score_many([question])[0]

    def score_many(
        self,
        questions: Sequence[Question],
        batch_size: int = 16,
        on_progress: Callable[[int], None] | None = None,
        kept: MutableMapping[int, list[Prediction]] | None = None,
    ) -> list[Prediction]:
        """Ask about questions, `batch_size` at a time; otherwise as `Scorer.score_many`.

        Raises:
            RunError: the server does not answer, or not what was asked; what others were answered
                is in `kept` by then.
        """
        if processes.count() > 1:
            raise ConfigError(
                "a server is asked from one process. Start one, with a larger --batch-size, which "
                "is how many requests go out at a time."
            )
        kept, report = {} if kept is None else kept, on_progress or (lambda count: None)
        report(len(kept.keys() & set(range(len(questions)))))
        stop = threading.Event()

        def ask(number: int) -> Prediction | None:
            return None if stop.is_set() else self._ask(questions[number])

        with ThreadPoolExecutor(batch_size) as pool:
            missing = (number for number in range(len(questions)) if number not in kept)
            asked = {pool.submit(ask, number): number for number in missing}
            fault = None
            try:
                for future in as_completed(asked):
                    if error := future.exception():
                        fault = fault or error
                        stop.set()  # those under way are waited for and kept
                    elif prediction := future.result():
                        kept[asked[future]] = [prediction]
                        report(1)
            finally:
                stop.set()
        if fault:
            raise fault
        return [kept[number][0] for number in range(len(questions))]

    def score_encoded(
        self,
        encoded: Sequence[Unasked],
        batch_size: int = 16,
        on_progress: Callable[[int], None] | None = None,
        kept: MutableMapping[int, list[Prediction]] | None = None,
        block: int | None = None,
    ) -> list[Prediction]:
        """Score what `encode_stored` returned; each is a request of its own, whatever `block`."""
        return self.score_many([one.question for one in encoded], batch_size, on_progress, kept)

    def _ask(self, question: Question) -> Prediction:
        if self._format.judges and is_judged(question):
            return join([question], [self._ask_whole(part) for part in split(question)])[0]
        return self._ask_whole(question)

    def _ask_whole(self, question: Question) -> Prediction:
        if self.remote.format == "chat" and len(question.options) > len(LETTERS):
            raise ConfigError(
                f"question {question.id!r}: a chat server is asked by letters, for up to "
                f"{len(LETTERS)} options; it has {len(question.options)}."
            )
        answer = self.client.ask(self._format.body(question, self.remote.model))
        scores = self._format.scores(answer, question)
        if not all(map(math.isfinite, scores)):
            raise decision_servers.unusable(question, f"its scores {scores} are not finite")
        unit = "logit" if KINDS[question.kind].several else "nats"
        tokens = tokens_of(answer)
        return Prediction.scored(question, scores, unit=unit, scorer=self.name, tokens=tokens)
