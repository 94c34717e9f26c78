"""What stands before the page: who may ask it, for which paths, how much, and how slowly."""

from __future__ import annotations

import asyncio
import ipaddress
import json
import re
import socket
import time
from collections.abc import Iterator, MutableMapping
from typing import Any

from starlette.exceptions import HTTPException
from starlette.responses import PlainTextResponse

from pipelines.server.limits import Limits

Scope = MutableMapping[str, Any]

# Whatever a model answers, the page loads nothing and speaks to nobody but this server.
POLICY = b"default-src 'self' 'unsafe-inline' 'unsafe-eval' blob: data:"
# What the page itself asks for. Gradio has more: it fetches what stands elsewhere on the network.
PATHS = re.compile(
    r"/|/(config|theme\.css|manifest\.json|robots\.txt|favicon\.ico|pwa_icon|static/.*|assets/.*)"
    r"|/gradio_api/(upload|upload_progress|queue/(join|data)|cancel|reset|heartbeat/.*"
    r"|startup-events|file=/.*|app_id|theme\.css)"
)
JOIN = "/gradio_api/queue/join"
FORM = 2**16  # bytes that a form has around its file
INTERFACE = "/v1"  # paths of the server itself, which has guards of its own


class Guard:
    """Lets what the page needs pass, within the limits of a request; 403, 404, 408 or 413 else."""

    def __init__(self, application: Any, limits: Limits) -> None:
        self._application, self._limits = application, limits

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        """One connection, as ASGI has it."""
        if scope["type"] != "http" or scope["path"].startswith(INTERFACE):
            await self._application(scope, receive, send)
        elif not _is_here(dict(scope["headers"]).get(b"host", b"").decode("latin-1")):
            await PlainTextResponse("ask by address, or by localhost", 403)(scope, receive, send)
        elif not PATHS.fullmatch(scope["path"]):
            await PlainTextResponse("not found", 404)(scope, receive, send)
        else:
            await self._application(scope, self._limited(scope, receive), _with_policy(send))

    def _limited(self, scope: Scope, receive: Any) -> Any:
        """`receive`, for a body that is neither too long nor too slow, and names no address."""
        body, whole, size = bytearray(), False, 0
        end = time.monotonic() + self._limits.seconds

        async def limited() -> Any:
            nonlocal whole, size
            if whole:
                return await receive()  # until the client has gone
            try:
                message = await asyncio.wait_for(receive(), max(0.0, end - time.monotonic()))
            except TimeoutError:
                words = f"the request was not sent within {self._limits.seconds:g} seconds."
                raise HTTPException(408, words) from None
            size += len(message.get("body", b""))
            if size > self._limits.body_bytes + FORM:
                raise HTTPException(413, f"a request has at most {self._limits.body_bytes} bytes.")
            whole = not message.get("more_body", False)
            if scope["path"] == JOIN:
                body.extend(message.get("body", b""))
                if whole:
                    _check_files(bytes(body))
            return message

        return limited


def _is_here(host: str) -> bool:
    """Whether a browser was led here by an address or by this machine's own name. A foreign site
    can make its name lead here, and then read what it gets."""
    name = host.rpartition(":")[0] if re.search(r":\d+$", host) else host
    try:
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return name.lower() in ("localhost", socket.gethostname().lower())
    return True


def _check_files(body: bytes) -> None:
    """Files come as uploads; Gradio would fetch one whose path is an address."""
    try:
        given = json.loads(body)
    except (ValueError, RecursionError):
        raise HTTPException(422, "expected JSON.") from None
    for found in _objects(given):
        if any("://" in str(found.get(key) or "") for key in ("path", "orig_path")):
            raise HTTPException(403, "expected an uploaded file. Received: an address.")


def _objects(value: Any) -> Iterator[dict[str, Any]]:
    waiting = [value]
    while waiting:
        each = waiting.pop()
        if isinstance(each, dict):
            yield each
            waiting.extend(each.values())
        elif isinstance(each, list):
            waiting.extend(each)


def _with_policy(send: Any) -> Any:
    async def sending(message: Scope) -> None:
        if message["type"] == "http.response.start":
            headers = [*message["headers"], (b"content-security-policy", POLICY)]
            message = {**message, "headers": headers}
        await send(message)

    return sending
