"""The server: two formats over one queue.

    POST /v1/systemone, /v1/decisions    questions in, probabilities out
    GET  /v1/models                      in the shape that clients of both formats read
    GET  /health, /ready, /metrics, /docs

A line is logged for each request, with its id and without its texts.
"""

import asyncio
import hmac
import json
import logging
import time
import traceback
import uuid
from collections.abc import Sequence
from contextlib import asynccontextmanager
from types import ModuleType

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from pydantic import ValidationError
from starlette.requests import ClientDisconnect

import mcqa
from mcqa.errors import RequestError
from mcqa.prediction import Prediction
from mcqa.serving import decisions, systemone
from mcqa.serving.batching import Batcher, as_request_error
from mcqa.serving.body import parse_body
from mcqa.serving.errors import DECISIONS, SYSTEMONE, as_body, unfit
from mcqa.serving.hosted import Hosted, choose
from mcqa.serving.measured import Measured

log = logging.getLogger("mcqa.serving")
LEFT = 499  # what others log too for a client that left before its answer


class App:
    """Answer requests with hosted models; `api` is the ASGI application.

    Args:
        hosted: the models.
        abstain: answers of a confidence below are marked; None for no marks.
        key: the bearer key that `/v1` and `/metrics` ask for; None for none.
        log_texts: log what is asked too.
        batching: of `Batcher`, with its `limits`.
    """

    def __init__(
        self,
        hosted: Sequence[Hosted],
        *,
        abstain: float | None = None,
        key: str | None = None,
        log_texts: bool = False,
        **batching,
    ):
        self.hosted, self.abstain, self.key, self.log_texts = hosted, abstain, key, log_texts
        self.measured = Measured(lambda: self.batcher.waiting)
        self.batcher = Batcher(on_batch=self.measured.batch, **batching)
        self.limits = self.batcher.limits
        self.api = FastAPI(title="mcqa", version=mcqa.__version__, lifespan=self._lifespan)
        for path, form in ((SYSTEMONE, systemone), (DECISIONS, decisions)):
            self.api.add_api_route(
                path,
                self._endpoint(form),
                methods=["POST"],
                summary=form.__doc__.splitlines()[0],
                openapi_extra=_documented(form),
            )
        for path in ("/v1/models", "/health", "/ready", "/metrics"):
            endpoint = getattr(self, "_" + path.rpartition("/")[2])
            self.api.add_api_route(path, endpoint, methods=["GET"])

    @asynccontextmanager
    async def _lifespan(self, api: FastAPI):
        yield
        await asyncio.to_thread(self.batcher.close)

    def _endpoint(self, form: ModuleType):
        async def decide(request: Request) -> Response:
            started, id = time.monotonic(), _request_id(request)
            path, headers = request.url.path, {"x-request-id": id, "x-typesafe-request-id": id}
            noted = {}
            try:
                body = await self._decide(request, form, noted)
                status, response = 200, JSONResponse(body, headers=headers)
            except ClientDisconnect:
                status, response = LEFT, Response(status_code=LEFT)
            except RequestError as error:
                status, response = self._refuse(path, error, headers)
                noted["code"] = error.code
                if status >= 500 and error.__cause__:
                    self._log_fault(id, error.__cause__)
            except Exception as error:  # of ours; what runs this server would log its message
                told = as_request_error(error)
                status, response = self._refuse(path, told, headers)
                noted["code"] = told.code
                self._log_fault(id, error)
            seconds = time.monotonic() - started
            self.measured.request(path, status, seconds)
            told = json.dumps(noted, ensure_ascii=False) if noted else ""
            log.info("%s %s %d %.1f ms %s", id, path, status, 1000 * seconds, told)
            return response

        return decide

    async def _decide(self, request: Request, form: ModuleType, noted: dict) -> dict:
        """Return the body that answers a request, and note what may be logged of it."""
        self._check_key(request)
        body = parse_body(await self._read(request))
        if self.log_texts:
            noted["request"] = body
        try:
            wanted = form.Request.model_validate(body)
        except ValidationError as error:
            raise unfit(error) from None
        chosen = choose(self.hosted, wanted.model)
        questions = form.asked(wanted)
        self.limits.check(questions)
        predictions = await self._predictions(request, chosen, questions) if questions else []
        tokens = sum(prediction.tokens for prediction in predictions)
        noted |= {"model": chosen.name, "questions": len(questions), "tokens": tokens}
        self.measured.answered(chosen.name, len(questions), tokens)
        return form.answer(wanted, chosen, predictions, self.abstain)

    async def _read(self, request: Request) -> bytes:
        kind = request.headers.get("content-type", "application/json").partition(";")[0].strip()
        encoding = request.headers.get("content-encoding", "identity")
        if kind == "multipart/form-data":
            raise RequestError(
                "a multipart request brings images, and this server reads text.",
                code="images_not_supported",
                where=("assets",),
            )
        if kind != "application/json" or encoding != "identity":
            raise RequestError(
                f"content of type {kind!r}, encoded as {encoding!r}; this server reads "
                "application/json, not compressed.",
                status=415,
                code="unsupported_media_type",
            )
        body = bytearray()
        try:
            async with asyncio.timeout(self.limits.seconds):
                async for chunk in request.stream():
                    body += chunk
                    if len(body) > self.limits.body_bytes:
                        raise RequestError(
                            f"the body is longer than {self.limits.body_bytes:,} bytes.",
                            status=413,
                            code="body_too_large",
                        )
        except TimeoutError as error:
            raise RequestError(
                f"the body did not arrive within {self.limits.seconds:g} s.",
                status=408,
                code="body_too_slow",
            ) from error
        return bytes(body)

    async def _predictions(
        self, request: Request, chosen: Hosted, questions: list
    ) -> list[Prediction]:
        """Return the predictions of a job, or give up its place when its client leaves."""
        answer = asyncio.wrap_future(self.batcher.submit(chosen.scorer, questions))
        leaving = asyncio.ensure_future(_left(request))
        how = {"timeout": self.limits.seconds, "return_when": asyncio.FIRST_COMPLETED}
        try:
            done, _ = await asyncio.wait({answer, leaving}, **how)
            if answer in done:
                return answer.result()
            if leaving in done:
                raise ClientDisconnect
            raise RequestError(
                f"no answer within {self.limits.seconds:g} s; ask again later, or ask less.",
                status=504,
                code="timeout",
                retry_after=1,
            )
        finally:
            answer.cancel()
            leaving.cancel()

    def _check_key(self, request: Request) -> None:
        if self.key is None:
            return
        given = request.headers.get("authorization", "")
        if not hmac.compare_digest(given.encode(), f"Bearer {self.key}".encode()):
            raise RequestError(
                "the header 'Authorization: Bearer KEY' is missing, or has another key.",
                status=401,
                code="invalid_api_key",
            )

    def _refuse(self, path: str, error: RequestError, headers: dict) -> tuple[int, Response]:
        status, body = as_body(path, error)
        if error.retry_after is not None:
            headers = headers | {"retry-after": str(error.retry_after)}
        if status == 401:
            headers = headers | {"www-authenticate": "Bearer"}
        return status, JSONResponse(body, status, headers)

    def _log_fault(self, id: str, error: BaseException) -> None:
        """Log where a fault of ours came from; its message may hold texts."""
        if self.log_texts:
            log.error("%s failed", id, exc_info=error)
            return
        where = traceback.extract_tb(error.__traceback__)[-1]
        log.error("%s failed: %s, line %d", id, type(error).__name__, where.lineno)

    async def _models(self, request: Request) -> Response:
        """Say which models there are, as both formats' clients read it."""
        try:
            self._check_key(request)
        except RequestError as error:
            return self._refuse(request.url.path, error, {})[1]
        names = [
            {
                "name": one.name,
                "description": one.description,
                "release_date": one.released.isoformat(),
            }
            for one in self.hosted
        ]
        data = [
            {
                "id": one.name,
                "object": "model",
                "created": int(time.mktime(one.released.timetuple())),
                "owned_by": "mcqa",
                "checksum": f"sha256:{one.checksum}",
            }
            for one in self.hosted
        ]
        return JSONResponse({"object": "list", "models": names, "data": data})

    async def _health(self) -> dict:
        """Say that the process answers."""
        return {"status": "ok"}

    async def _ready(self) -> Response:
        """Say whether questions are taken."""
        ready = self.batcher.is_ready
        return JSONResponse({"ready": ready}, 200 if ready else 503)

    async def _metrics(self, request: Request) -> Response:
        """Return what Prometheus reads."""
        try:
            self._check_key(request)
        except RequestError as error:
            return self._refuse(request.url.path, error, {})[1]
        return Response(self.measured.page(), media_type="text/plain; version=0.0.4")


async def _left(request: Request) -> None:
    """Return when the client is gone."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _request_id(request: Request) -> str:
    """Return the id that a client gave its request, if it is short and plain, or a new one."""
    given = request.headers.get("x-request-id", "")
    plain = given.isascii() and given.isprintable() and " " not in given
    return given if given and plain and len(given) <= 128 else uuid.uuid4().hex


def _documented(form: ModuleType) -> dict:
    """Return what `/docs` shows of a request: the body is read by hand, for its limits."""
    schema = form.Request.model_json_schema()
    content = {"application/json": {"schema": _inlined(schema, schema.pop("$defs"))}}
    return {"requestBody": {"required": True, "content": content}}


def _inlined(schema, definitions: dict):
    """Return a schema with its definitions in their places, since a page knows no others."""
    if isinstance(schema, list):
        return [_inlined(part, definitions) for part in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return _inlined(definitions[schema["$ref"].rpartition("/")[2]], definitions)
    kept = {name: part for name, part in schema.items() if name != "discriminator"}
    return {name: _inlined(part, definitions) for name, part in kept.items()}
