"""`rnnkit serve`: the exports of a folder, answered over HTTP."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from pipelines.cli import quiet
from pipelines.errors import require


def serve(
    root: Annotated[
        str, typer.Argument(metavar="ROOT", help="folder in which rnnkit export put models")
    ] = "saved_models",
    port: Annotated[int, typer.Option(min=0, max=65535, help="to listen on; 0 a free one")] = 8501,
    host: Annotated[
        str, typer.Option(help="to listen on; anyone who reaches it may ask, without a password")
    ] = "127.0.0.1",
    demo: Annotated[bool, typer.Option("--demo", help="with a web page to try each model")] = False,
) -> None:
    """Serves exported models with TensorFlow Serving's REST interface, to try them."""
    for module in ("starlette", "uvicorn", "orjson"):
        require(module, "serve")
    if demo:
        require("gradio", "demo")
    answers = sys.stdout
    with quiet.work():
        from pipelines.server.running import serve as run

        run(root, host, port, demo, out=answers)
