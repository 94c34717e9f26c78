"""What uvicorn has no limit for: clients that do not get to the end of their headers, and how many
of them there are."""

from __future__ import annotations

import asyncio
import json
from functools import partial
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from pipelines.server.limits import Limits


def protocol(limits: Limits) -> Any:
    """What uvicorn is given as `http`: one connection, with `limits`."""
    return partial(_Connection, limits)


class _Connection(H11Protocol):
    """A connection whose request line and headers come within `limits.seconds`, counted from when
    it is opened, or from the first byte of a later request; or it ends with 408. Beyond
    `limits.connections` of them, a new one is told 503."""

    def __init__(self, limits: Limits, **arguments: Any) -> None:
        super().__init__(**arguments)
        self._limits = limits
        self._waiting: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > self._limits.connections:
            self._end(503, "too many connections. Try again later.")
        else:
            self._wait()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.conn.their_state is not h11.IDLE:  # the headers are whole, or beyond help
            self._stop_waiting()
        elif self._waiting is None and self.conn.trailing_data[0]:
            self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    def _wait(self) -> None:
        seconds = self._limits.seconds
        words = f"the headers were not sent within {seconds:g} seconds."
        self._waiting = self.loop.call_later(seconds, self._end, 408, words)

    def _stop_waiting(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None

    def _end(self, status: int, words: str) -> None:
        if self.transport.is_closing() or self.conn.our_state is not h11.IDLE:
            return
        body = json.dumps({"error": words}).encode()
        headers = [
            ("content-type", "application/json"),
            ("content-length", str(len(body))),
            ("connection", "close"),
        ]
        response = h11.Response(status_code=status, headers=headers)
        for event in (response, h11.Data(data=body), h11.EndOfMessage()):
            self.transport.write(self.conn.send(event) or b"")
        self.transport.close()
