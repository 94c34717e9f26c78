"""TensorFlow Serving's REST interface as an ASGI application: paths, bodies, deadlines."""

from __future__ import annotations

import asyncio
import re
import sys
import time
import traceback
from typing import Any

import anyio
import anyio.to_thread
from google.protobuf import json_format  # type: ignore[import-untyped]
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from pipelines.server.errors import RequestError
from pipelines.server.limits import Limits
from pipelines.server.models import Models
from pipelines.server.version import Version

_MODEL = r"/v1/models/(?P<name>[^/:]+)(?:/versions/(?P<number>[0-9]+))?"
_STATUS = re.compile(_MODEL, re.IGNORECASE)
_METADATA = re.compile(rf"{_MODEL}/metadata", re.IGNORECASE)
_ASK = re.compile(rf"{_MODEL}:(?P<verb>predict|classify|regress)", re.IGNORECASE)
_LABEL = re.compile(r"/v1/models/[^/:]+/labels/(?P<label>[^/:]+)(?:/metadata|:\w+)?", re.IGNORECASE)

_METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"]


def application(models: Models, limits: Limits | None = None, demo: bool = False) -> Starlette:
    """The server without a socket: what uvicorn, or a test, calls.

    Args:
        models: what is served.
        limits: on a request; `Limits()` by default.
        demo: True puts the page to try the models at `/`.
    """
    limits = limits or Limits()
    answering = _Answering(models, limits)
    paths = "/v1{path:path}" if demo else "/{path:path}"
    found = Starlette(
        routes=[Route(paths, answering.request, methods=_METHODS)],
        exception_handlers={HTTPException: _unknown},  # a method that HTTP does not have
    )
    if demo:
        from pipelines.demo.mounting import mount  # of another extra, and slow to import

        mount(found, models, limits)
    return found


class _Answering:
    def __init__(self, models: Models, limits: Limits) -> None:
        self._models, self._limits = models, limits
        self._workers = anyio.CapacityLimiter(limits.workers)
        self._admitted = 0  # requests that are computed, or wait for it

    async def request(self, request: Request) -> Response:
        try:
            return await self._answer(request)
        except RequestError as error:
            return _error(error.status, str(error))
        except ClientDisconnect:
            return _error(499, "the client has gone")
        except Exception:  # a fault of ours: one request is lost and the others are not
            traceback.print_exc(file=sys.stderr)
            return _error(500, "internal error")

    async def _answer(self, request: Request) -> Response:
        method, path = request.method, request.url.path
        if method in ("GET", "HEAD"):
            if match := _METADATA.fullmatch(path):
                return JSONResponse(_metadata(match["name"], self._find(match)))
            if match := _STATUS.fullmatch(path):
                found = self._models.status(match["name"], _number(match))
                return JSONResponse({"model_version_status": found})
            if re.fullmatch("/v1/models/?", path, re.IGNORECASE):
                raise RequestError("Missing model name in request.")
        if method == "POST" and (match := _ASK.fullmatch(path)):
            if match["verb"].lower() != "predict":
                raise RequestError(f"no signature has the method {match['verb']}. Use: predict")
            return await self._predict(request, match)
        if match := _LABEL.fullmatch(path):
            raise RequestError(f"Unrecognized servable version label: {match['label'][:60]}")
        if not path.lower().startswith("/v1/"):
            raise RequestError("not found. Models are under /v1/models/NAME", status=404)
        raise RequestError(f"Malformed request: {method} {path[:200]}")

    def _find(self, match: re.Match[str]) -> Version:
        return self._models.find(match["name"], _number(match))

    async def _predict(self, request: Request, match: re.Match[str]) -> Response:
        deadline = time.monotonic() + self._limits.seconds
        body = await self._body(request)
        version = self._find(match)
        if self._admitted >= self._limits.workers + self._limits.waiting:
            raise RequestError("too many requests are waiting. Try again later.", status=503)

        def compute() -> bytes:
            left = deadline - time.monotonic()
            if left < 0.001:
                waited = self._limits.seconds
                raise RequestError(f"waited {waited:g} seconds for a free worker.", status=504)
            return version.answer(body, self._limits, left)

        self._admitted += 1
        try:
            answer = await anyio.to_thread.run_sync(compute, limiter=self._workers)
        finally:
            self._admitted -= 1
        return Response(answer, media_type="application/json")

    async def _body(self, request: Request) -> bytes:
        """All of it, unless it is too large or comes too slowly."""
        most, body = self._limits.body_bytes, bytearray()
        too_large = RequestError(f"a request has at most {most} bytes.", status=413)
        declared = request.headers.get("content-length", "")
        if declared.isdecimal() and int(declared[:20]) > most:
            raise too_large
        try:
            async with asyncio.timeout(self._limits.seconds):
                async for chunk in request.stream():
                    body += chunk
                    if len(body) > most:
                        raise too_large
        except TimeoutError:
            words = f"the request was not sent within {self._limits.seconds:g} seconds."
            raise RequestError(words, status=408) from None
        return bytes(body)


def _number(match: re.Match[str]) -> int | None:
    digits = match["number"]
    if digits is not None and len(digits) > 19:
        raise RequestError(f"Failed to convert version: {digits[:40]} to numeric.")
    return None if digits is None else int(digits)


def _metadata(name: str, version: Version) -> dict[str, Any]:
    signatures = {
        key: json_format.MessageToDict(
            definition,
            preserving_proto_field_name=True,
            always_print_fields_with_no_presence=True,
        )
        for key, definition in version.graph.signature_def.items()
    }
    return {
        "model_spec": {"name": name, "signature_name": "", "version": str(version.number)},
        "metadata": {"signature_def": {"signature_def": signatures}},
    }


def _error(status: int, words: str) -> JSONResponse:
    # Half of a broken request is not read: what follows on this connection would be its rest.
    headers = {"connection": "close"} if status in (408, 413) else None
    return JSONResponse({"error": words}, status, headers)


async def _unknown(request: Request, error: Exception) -> Response:
    return _error(400, f"Malformed request: {request.method[:20]} {request.url.path[:200]}")
