"""How an error is written in each format, and which one a client's mistake is."""

from pydantic import ValidationError

from mcqa.errors import RequestError

SYSTEMONE, DECISIONS = "/v1/systemone", "/v1/decisions"
OPENAI_TYPES = {401: "authentication_error", 404: "not_found_error", 429: "rate_limit_error"}


def as_body(path: str, error: RequestError) -> tuple[int, dict]:
    """Return the status and the body of an error; `/v1/decisions` has its format, all else one."""
    if path != DECISIONS:
        where = [str(part) if not isinstance(part, int) else part for part in error.where]
        loc = ["body", *where] if where != ["body"] else where
        return error.status, {"detail": [{"loc": loc, "msg": str(error), "type": error.code}]}
    status = 400 if error.status == 422 else error.status
    kind = "server_error" if status >= 500 else "invalid_request_error"
    param = ".".join(map(str, error.where)) or None
    told = {"message": str(error), "type": OPENAI_TYPES.get(status, kind)}
    return status, {"error": told | {"param": param, "code": error.code}}


def unfit(error: ValidationError) -> RequestError:
    """Return a fault of a body's fields: the first one, and how many others there are."""
    faults = error.errors(include_url=False, include_input=False, include_context=False)
    first, more = faults[0], len(faults) - 1
    place = ".".join(map(str, first["loc"]))
    others = f" ({more} more)" if more else ""
    return RequestError(
        f"{place}: {first['msg']}{others}", code=first["type"], where=tuple(first["loc"])
    )
