"""Who trains together: the machines that TF_CONFIG names, and whether all of them are there."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from pipelines.errors import UserError

WAIT = 30.0  # seconds that a peer may take to start
PROBE = 1.0  # seconds for one attempt to reach it
_EXAMPLE = (
    """TF_CONFIG='{"cluster": {"worker": ["host1:2222", "host2:2222"]}, """
    """"task": {"type": "worker", "index": 0}}'"""
)


@dataclass(frozen=True)
class Cluster:
    """The workers of a training, and which of them this process is."""

    addresses: tuple[str, ...]  # host:port, the chief first
    index: int

    @property
    def chief(self) -> bool:
        """Whether this process writes the run."""
        return self.index == 0

    @property
    def own(self) -> str:
        """The address of this process."""
        return self.addresses[self.index]

    @property
    def peers(self) -> list[str]:
        """The addresses of the others."""
        return [address for address in self.addresses if address != self.own]


def from_environment() -> Cluster:
    """The cluster of TensorFlow's own variable TF_CONFIG, the same JSON on all machines but for
    `task`, which says which one this is.

    Raises:
        UserError: it is missing or malformed.
    """
    text = os.environ.get("TF_CONFIG", "").strip()
    if not text:
        raise UserError(
            "--strategy multiworker: expected the environment variable TF_CONFIG, which names all "
            f"workers and which of them this is. Received: none. Example: {_EXAMPLE}"
        )
    try:
        found = json.loads(text)
        jobs, task = found["cluster"], found["task"]
        known = {job: tuple(jobs[job]) for job in ("chief", "worker") if job in jobs}
        kind, index = task["type"], int(task["index"])
        own = known[kind][index]
        addresses = known.get("chief", ()) + known.get("worker", ())
        wrong = [each for each in addresses if not _is_address(each)]
    except (ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
        reason = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        raise _malformed(f"{text} ({reason})") from None
    if index < 0 or set(jobs) - set(known):
        raise _malformed(text)
    if wrong:
        raise _malformed(f"the address {wrong[0]!r}, which is no host:port")
    if len(set(addresses)) < len(addresses):
        raise _malformed("the same address twice")
    if len(addresses) < 2:
        raise _malformed("one worker alone, which needs no --strategy")
    return Cluster(addresses, addresses.index(own))


def _malformed(received: str) -> UserError:
    return UserError(
        "TF_CONFIG: expected JSON with the addresses of all workers and which of them this is. "
        f"Received: {received}. Example: {_EXAMPLE}"
    )


def _is_address(text: Any) -> bool:
    host, _, port = str(text).rpartition(":")
    return bool(host) and port.isdecimal() and 0 < int(port) < 2**16


def meet(cluster: Cluster, seconds: float = WAIT) -> None:
    """Waits until every other worker answers.

    TensorFlow itself would wait for an hour. Each worker listens at its own address meanwhile, so
    that it is found before TensorFlow listens there.

    Raises:
        UserError: one is not there in time, or the own port is taken.
    """
    with _listening(cluster.own):
        for address in await_all(cluster.peers, seconds):
            raise UserError(
                f"--strategy multiworker: {address} does not answer for {seconds:g} s. Start the "
                "same command there, with its own index in TF_CONFIG, or raise --wait."
            )


def await_all(addresses: Sequence[str], seconds: float) -> list[str]:
    """Those of `addresses` at which nobody listens, even after so many seconds."""
    deadline, told = time.monotonic() + seconds, False
    while missing := [address for address in addresses if not answers(address)]:
        if time.monotonic() > deadline:
            return missing
        if not told:
            print(f"waiting for {', '.join(missing)}", file=sys.stderr, flush=True)
            told = True
        time.sleep(0.2)
    return []


def answers(address: str) -> bool:
    """Whether somebody listens at host:port."""
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=PROBE).close()
    except (OSError, UnicodeError):  # a name with an empty part, as host..lab, cannot be encoded
        return False
    return True


@contextlib.contextmanager
def _listening(address: str) -> Iterator[None]:
    port = int(address.rpartition(":")[2])
    with socket.socket() as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            server.bind(("", port))
        except OSError as error:
            raise UserError(
                f"{address}: cannot listen there ({os.strerror(error.errno or 0).lower()}). Name "
                "another port in TF_CONFIG, on all workers."
            ) from None
        server.listen()
        yield
