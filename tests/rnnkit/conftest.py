"""What several tests of the library rely on."""

from __future__ import annotations

import pytest


@pytest.fixture
def float64():
    """Everything is compared in double precision."""
    import keras

    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float64")
    yield
    keras.config.set_dtype_policy(before)


@pytest.fixture
def short_chunks(monkeypatch):
    """Chunks of 3 steps in training: 3, 3 and 1 of 7."""
    from rnnkit import engine_tensorflow_chunks

    monkeypatch.setattr(engine_tensorflow_chunks, "SHORTEST", 3)
    monkeypatch.setattr(engine_tensorflow_chunks, "LONGEST", 3)
