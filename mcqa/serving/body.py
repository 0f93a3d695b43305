"""A request's body as JSON, with what JSON readers pass over in silence refused.

The traps: of a label that stands twice in an object most readers keep the last; Python's takes NaN,
and a file nested deeply enough ends it.
"""

import json
from typing import Any

from mcqa.errors import RequestError


def parse_body(body: bytes) -> dict[str, Any]:
    """Return the object that a body holds, or raise a RequestError that says why it is none."""
    try:
        value = json.loads(
            body.decode(), object_pairs_hook=_once, parse_constant=_no_number, parse_int=_integer
        )
    except UnicodeDecodeError as error:
        raise _fault(f"it is not UTF-8 ({error.reason}).") from error
    except json.JSONDecodeError as error:
        raise _fault(f"{error.msg}, line {error.lineno}, column {error.colno}.") from error
    except RecursionError as error:
        raise _fault("it is nested too deeply.") from error
    if b"\\u" in body:  # half of a pair of surrogates is JSON and no text
        try:
            json.dumps(value, ensure_ascii=False).encode()
        except UnicodeEncodeError as error:
            raise _fault(f"a text is not valid Unicode ({error.reason}).") from error
    if not isinstance(value, dict):
        raise _fault(f"it must be an object, got {type(value).__name__}.")
    return value


def _fault(reason: str) -> RequestError:
    return RequestError(
        f"the body cannot be read as JSON: {reason}", status=400, code="not_json", where=("body",)
    )


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise _fault(f"the key {twice!r} stands twice in one object.")
    return found


def _no_number(name: str) -> None:
    raise _fault(f"{name} is no number of JSON.")


def _integer(digits: str) -> int:
    if len(digits) > 4000:  # Python refuses to read more than 4,300
        raise _fault(f"a number has {len(digits):,} digits.")
    return int(digits)
