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
