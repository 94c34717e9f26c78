"""Work in a process of its own, which is renewed before it has grown."""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any, Protocol

from pipelines.errors import UserError
from pipelines.quiet import start_tensorflow

RENEWED_AFTER = 10  # jobs: TensorFlow keeps some of every model that was trained in a process


class JobError(Exception):
    """A job failed, and not by the user's mistake: its error in one line."""


class Runner(Protocol):
    """Runs jobs one after the other."""

    def run(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """`function(*arguments)`."""


class Here:
    """Runs jobs in this process."""

    def run(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """`function(*arguments)`."""
        return function(*arguments)


class Worker:
    """Runs jobs in another process.

    What TensorFlow holds on to after a training goes with the process, and a job that runs out of
    memory does not take this one along. When this process dies, however it is killed, the other
    ends too, so that nothing trains on in the dark.

    Args:
        renewed_after: int, jobs after which a new process takes the place of the old one.
        begin: what each process does first, before it imports what the jobs need.
    """

    def __init__(
        self,
        renewed_after: int = RENEWED_AFTER,
        begin: Callable[[], None] = start_tensorflow,
    ) -> None:
        self._renewed_after = renewed_after
        self._begin = begin
        self._process: Any = None
        self._jobs = 0

    def run(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """`function(*arguments)`, all of which must be picklable.

        Raises:
            UserError: the job raised one.
            JobError: it raised anything else, or its process died.
        """
        if self._jobs >= self._renewed_after:
            self.close()
        if self._process is None:
            self._start()
        self._jobs += 1
        try:
            self._pipe.send((function, arguments))
            kind, answer = self._pipe.recv()
        except (EOFError, ConnectionError):
            self._process.join()
            status = self._process.exitcode
            self.close()
            raise JobError(
                f"its process died with status {status}: killed, or out of memory"
            ) from None
        if kind == "answer":
            return answer
        raise UserError(answer) if kind == "mistake" else JobError(answer)

    def _start(self) -> None:
        spawn = multiprocessing.get_context("spawn")
        self._pipe, theirs = spawn.Pipe()
        self._process = spawn.Process(target=_serve, args=(theirs, self._begin), daemon=True)
        self._process.start()
        theirs.close()
        self._jobs = 0

    def close(self) -> None:
        """Ends the process, whatever it does."""
        if self._process is not None:
            self._process.kill()
            self._process.join()
            self._pipe.close()
            self._process = None
        self._jobs = 0

    def __enter__(self) -> Worker:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _serve(pipe: Connection, begin: Callable[[], None]) -> None:
    """Does jobs until the pipe is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the parent, which ends this one
    os.dup2(2, 1)  # stdout belongs to the answer of the command
    threading.Thread(target=_end_with_parent, daemon=True).start()
    begin()
    for name in ("tensorflow", "absl"):  # else: notes on each model that is traced
        logging.getLogger(name).setLevel(logging.ERROR)
    while True:
        try:
            function, arguments = pipe.recv()
        except EOFError:
            return
        try:
            answer = ("answer", function(*arguments))
        except UserError as error:
            answer = ("mistake", str(error))
        except Exception as error:
            words = str(error).strip().splitlines() or [""]
            answer = ("failure", f"{type(error).__name__}: {words[0]}")
        pipe.send(answer)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
