"""Every error a user can meet, in one place.

Each class is also the built-in a caller would expect, so `except ValueError` keeps working.
A message says what is wrong, where, what is allowed and what to do.
"""


class McqaError(Exception):
    """The base of all errors of this package.

    `exit_code` is what the command line returns: 2 for bad input or usage, 1 for a failure.
    """

    exit_code = 1


class _InputError(McqaError, ValueError):
    exit_code = 2


class QuestionError(_InputError):
    """A question that cannot be used: no stem, too few options, a label out of range."""


class DataError(_InputError):
    """A data file that cannot be read as questions."""


class ConfigError(_InputError):
    """A setting that is unknown, out of range, or at odds with another one."""


class EncodingError(_InputError):
    """A question that does not fit the model's context even with its context and stem cut."""


class ModelError(_InputError):
    """A model name, model folder or run folder that cannot be used."""


class ComparisonError(_InputError):
    """Two sets of predictions that do not answer the same questions."""


class MissingDependencyError(McqaError, ImportError):
    """A package or file that this step needs and that is not installed."""


class RunError(McqaError, RuntimeError):
    """Work that started and could not be finished."""


class RequestError(_InputError):
    """A request that a server cannot answer.

    Args:
        message: for whoever sent it.
        status: HTTP's.
        code: one word or several for programs.
        where: names and indices that lead to the fault, from the body inwards.
        retry_after: the seconds after which the same request may be answered.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int = 422,
        code: str = "invalid_request",
        where: tuple[str | int, ...] = (),
        retry_after: int | None = None,
    ):
        super().__init__(message)
        self.status, self.code, self.where, self.retry_after = status, code, where, retry_after
