"""The three ways a step uses a weight, and the place where an engine may watch them."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import Any

from keras import ops

Tensor = Any
Watcher = Callable[[str, Tensor, Any], Tensor]

USES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "dot": ops.matmul,
    "scale": lambda tensor, weight: tensor * weight,
    "shift": lambda tensor, weight: tensor + weight,
}

_watcher: ContextVar[Watcher | None] = ContextVar("watcher", default=None)


def use_weight(kind: str, tensor: Tensor, weight: Any) -> Tensor:
    """`USES[kind](tensor, weight)`, computed by the watcher while there is one."""
    watcher = _watcher.get()
    return USES[kind](tensor, weight) if watcher is None else watcher(kind, tensor, weight)


@contextlib.contextmanager
def watched_by(watcher: Watcher) -> Iterator[None]:
    """Hands every use of a weight inside the block to `watcher(kind, tensor, weight)`."""
    token = _watcher.set(watcher)
    try:
        yield
    finally:
        _watcher.reset(token)


@contextlib.contextmanager
def operands_through(change: Watcher) -> Iterator[None]:
    """Hands what a weight is about to act on to `change(kind, tensor, weight)`, and goes on with
    what it returns: to the watcher outside, if there is one."""
    outside = _watcher.get()

    def watcher(kind: str, tensor: Tensor, weight: Any) -> Tensor:
        tensor = change(kind, tensor, weight)
        return USES[kind](tensor, weight) if outside is None else outside(kind, tensor, weight)

    with watched_by(watcher):
        yield
