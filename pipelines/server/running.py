"""The server itself: a socket, the watcher and uvicorn, until Ctrl-C."""

from __future__ import annotations

import contextlib
import errno
import socket
import sys
from pathlib import Path
from typing import TextIO

import uvicorn

from pipelines.errors import UserError
from pipelines.server.commands import tensorflow_serving
from pipelines.server.limits import Limits
from pipelines.server.models import Models
from pipelines.server.patience import protocol
from pipelines.server.rest import application
from pipelines.versions import versions


def serve(
    root: str | Path,
    host: str = "127.0.0.1",
    port: int = 8501,
    demo: bool = False,
    out: TextIO | None = None,
) -> None:
    """Serves the models in `root/<name>/<version>/` until it is interrupted.

    Args:
        root: the folder of all served models.
        host: address to listen on. The default is this machine alone: there is no password.
        port: 0 takes a free one.
        demo: True adds a web page to try the models.
        out: where addresses and commands are printed; stdout by default.

    Raises:
        UserError: there is no model that loads, or the address cannot be taken.
    """
    folder = Path(root)
    check_folder(folder)
    with listen(host, port) as listening:
        models = Models(folder, say=lambda line: print(line, file=sys.stderr, flush=True))
        models.look()
        if not models.served:
            raise UserError(f"{folder}: no model loads. Export again with: rnnkit export RUN")
        address, port = listening.getsockname()[:2]
        shown = f"[{address}]" if ":" in address else address
        for name in models.served:
            print(f"http://{shown}:{port}/v1/models/{name}", file=out)
        if demo:
            print(f"\nTo try them: http://{shown}:{port}/", file=out)
        print("\nThe same under TensorFlow Serving:\n", file=out)
        print(tensorflow_serving(folder, models.served, port), file=out, flush=True)
        models.watch()
        try:
            with contextlib.suppress(KeyboardInterrupt):  # uvicorn closes all, and raises it again
                uvicorn.Server(configuration(models, demo=demo)).run(sockets=[listening])
            print("stopped", file=sys.stderr)
        finally:
            models.stop()


def configuration(
    models: Models, limits: Limits | None = None, demo: bool = False
) -> uvicorn.Config:
    """What uvicorn serves, and how."""
    limits = limits or Limits()
    return uvicorn.Config(
        application(models, limits, demo),
        http=protocol(limits),
        log_level="error",  # its warnings are about clients' mistakes, which get an answer
        access_log=False,
        lifespan="on" if demo else "off",  # the page has work of its own to begin and to end
        timeout_keep_alive=60,  # longer than the pauses of a client that reuses connections
        timeout_graceful_shutdown=5,
    )


def check_folder(root: Path) -> None:
    """Looks before anything is loaded.

    Raises:
        UserError: `root` is no folder of models.
    """
    way_out = "Expected a folder with NAME/VERSION/saved_model.pb, as rnnkit export RUN writes it."
    if not root.is_dir():
        raise UserError(
            f"{root}: {'is no folder' if root.exists() else 'no such folder'}. {way_out}"
        )
    if versions(root) or (root / "saved_model.pb").exists():
        above = root.resolve().parent if versions(root) else root.resolve().parents[1]
        raise UserError(f"{root}: is a model itself. Serve the folder above: rnnkit serve {above}")
    if not any(folder.is_dir() and versions(folder) for folder in root.iterdir()):
        raise UserError(f"{root}: holds no model. {way_out}")


def listen(host: str, port: int) -> socket.socket:
    """A socket at an address of this machine.

    Raises:
        UserError: the address cannot be taken.
    """
    listening = None
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        # asyncio sends small packets at once only where the protocol is named; else every answer
        # waits 40 ms for an acknowledgement.
        listening = socket.socket(family, kind, socket.IPPROTO_TCP)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen(128)
        return listening
    except socket.gaierror as error:
        raise UserError(f"--host {host}: {error.strerror}. Example: --host 127.0.0.1") from None
    except OSError as error:
        if listening is not None:
            listening.close()
        reason = {
            errno.EADDRINUSE: "is taken. Choose another, or 0 for a free one",
            errno.EACCES: "needs rights that this user has not. Choose one above 1023",
        }.get(error.errno or 0)
        if reason:
            raise UserError(f"--port {port} {reason}.") from None
        raise UserError(f"--host {host} --port {port}: {error.strerror}.") from None
