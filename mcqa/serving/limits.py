"""How much a server takes, and for how long."""

from dataclasses import dataclass

from mcqa.errors import RequestError
from mcqa.question import MOST_OPTIONS, Question


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Hold what a server refuses more of.

    Args:
        body_bytes: of a request's body.
        questions: of a request.
        options: of a question, at most 255.
        tokens: that a request makes the model compute.
        waiting: requests that wait for the model.
        seconds: that a request waits and is computed.
    """

    body_bytes: int = 1 << 20
    questions: int = 400
    options: int = MOST_OPTIONS
    tokens: int = 65_536
    waiting: int = 256
    seconds: float = 30.0

    def check(self, questions: list[Question]) -> None:
        """Raise a RequestError where there are too many questions or options."""
        if len(questions) > self.questions:
            raise RequestError(
                f"{len(questions)} questions; this server takes up to {self.questions} a request. "
                "Send several requests.",
                code="too_many_questions",
                where=("questions",),
            )
        for place, question in enumerate(questions):
            if len(question.options) > self.options:
                raise RequestError(
                    f"question {question.id!r} has {len(question.options)} options; this server "
                    f"takes up to {self.options}.",
                    code="too_many_options",
                    where=("questions", place),
                )

    def check_tokens(self, tokens: int) -> None:
        """Raise a RequestError where a request takes too many tokens."""
        if tokens > self.tokens:
            raise RequestError(
                f"the request takes {tokens:,} tokens; this server computes up to {self.tokens:,} "
                "for one. Ask fewer questions, or shorten what is read before them.",
                code="too_many_tokens",
            )
