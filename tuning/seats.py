"""Which part a process has in a search on several machines: keras-tuner's chief, or a worker."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass

from pipelines.errors import UserError, unknown_name

ROLES = ("chief", "worker")
HOST, PORT, NAME = "KERASTUNER_ORACLE_IP", "KERASTUNER_ORACLE_PORT", "KERASTUNER_TUNER_ID"
_EXAMPLE = "rnnkit tune music --distributed worker --at host1:8000 --folder /shared/search"


@dataclass(frozen=True)
class Seat:
    """A process of a search on several machines."""

    role: str  # "chief" or "worker"
    address: str  # host:port of the chief
    name: str  # of this process, no other has it


def seat(role: str | None, address: str | None) -> Seat | None:
    """The seat that the options name, or else keras-tuner's own environment variables.

    Args:
        role: of `--distributed`. By default the one that KERASTUNER_TUNER_ID tells: it is the
            chief's when "chief" is in it. Without both, the search is that of one machine: None.
        address: of `--at`; KERASTUNER_ORACLE_IP and KERASTUNER_ORACLE_PORT by default.

    Raises:
        UserError: half of it is missing, or no host:port.
    """
    name = os.environ.get(NAME)
    if role is None:
        if name is None:
            if address is not None or HOST in os.environ:
                raise UserError(
                    f"expected --distributed chief or worker (or {NAME}), because the address of "
                    f"a chief is given. Received: neither. Example: {_EXAMPLE}"
                )
            return None
        role = "chief" if "chief" in name else "worker"
    if role not in ROLES:
        raise unknown_name("part in a search", role, ROLES)
    if address is None:
        if HOST not in os.environ or PORT not in os.environ:
            raise UserError(
                f"--distributed {role}: expected the address of the chief, by --at HOST:PORT or "
                f"by {HOST} and {PORT}. Received: none. Example: {_EXAMPLE}"
            )
        address = f"{os.environ[HOST]}:{os.environ[PORT]}"
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 2**16:
        raise UserError(f"expected the chief's address as HOST:PORT. Received: {address}.")
    return Seat(role, address, name or f"{socket.gethostname()}-{os.getpid()}")
