"""Programs that run under JAX, in a process of their own."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

needs_jax = pytest.mark.skipif(
    importlib.util.find_spec("jax") is None, reason="jax is not installed"
)


def run(program: str, *arguments: str, double: bool = True) -> None:
    """Runs a program on the processor; it prints "all equal" at its end.

    JAX knows float64 where `double`; else it is as a user has it who asks for nothing.
    """
    own = {"KERAS_BACKEND": "jax", "JAX_ENABLE_X64": str(int(double)), "JAX_PLATFORMS": "cpu"}
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, **own},
        cwd=Path(__file__).parents[2],
        check=False,
    )
    assert done.stdout.strip().endswith("all equal"), done.stderr
