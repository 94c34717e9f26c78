"""The page beside the server's own interface, in one application."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any

import gradio
from starlette.applications import Starlette
from starlette.exceptions import HTTPException

from pipelines.demo.page import page
from pipelines.server.limits import Limits
from pipelines.server.models import Models

# Whatever a model answers, the page loads nothing and speaks to nobody but this server.
POLICY = "default-src 'self' 'unsafe-inline' 'unsafe-eval' blob: data:"


def mount(application: Starlette, models: Models, limits: Limits) -> None:
    """Puts the page at `/` of an application, behind the paths that it has already.

    Args:
        application: of the server.
        models: what is served.
        limits: on a request, and on a dropped file.
    """
    gradio.mount_gradio_app(
        application,
        page(models, limits),
        path="/",
        theme=gradio.themes.Default(font=["sans-serif"], font_mono=["monospace"]),
        footer_links=["gradio"],
        run_history=False,
        max_file_size=limits.body_bytes,
        ssr_mode=False,
        enable_monitoring=False,
        mcp_server=False,
        show_error=True,
    )
    application.add_middleware(_Guard, body_bytes=limits.body_bytes)


class _Guard:
    """Adds the policy to what the page sends, and refuses bodies that are too large."""

    def __init__(self, application: Any, body_bytes: int) -> None:
        self._application, self._most = application, body_bytes

    async def __call__(self, scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] != "http" or scope["path"].startswith("/v1"):
            await self._application(scope, receive, send)
            return
        received = 0

        async def limited() -> Any:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > self._most + 2**16:  # a form has words around its file
                raise HTTPException(413, f"a request has at most {self._most} bytes.")
            return message

        async def with_policy(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                policy = (b"content-security-policy", POLICY.encode())
                message["headers"] = [*message["headers"], policy]
            await send(message)

        await self._application(scope, limited, with_policy)
