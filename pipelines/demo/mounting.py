"""The page beside the server's own interface, in one application."""

from __future__ import annotations

import gradio
from starlette.applications import Starlette

from pipelines.demo.guard import Guard
from pipelines.demo.page import page
from pipelines.server.limits import Limits
from pipelines.server.models import Models

VISITORS = 100  # whose components and films are kept; the oldest go first


def mount(application: Starlette, models: Models, limits: Limits) -> None:
    """Puts the page at `/` of an application, behind the paths that it has already.

    Args:
        application: of the server.
        models: what is served.
        limits: on a request, and on a dropped file.
    """
    blocks = page(models, limits)
    blocks.queue(max_size=limits.waiting, api_open=False)
    blocks.state_session_capacity = VISITORS
    # Gradio checks the paths of files, that only uploaded ones are read, in what has launched; what
    # is mounted does not count as that by itself.
    blocks.has_launched = True
    gradio.mount_gradio_app(
        application,
        blocks,
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
    application.add_middleware(Guard, limits=limits)
