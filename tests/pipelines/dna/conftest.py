"""A tiny trained run of simulated sites, made once."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def sites(tmp_path_factory: pytest.TempPathFactory):
    """A run of simulated sites, one epoch."""
    import keras

    import pipelines

    return pipelines.train(
        "dna",
        run=tmp_path_factory.mktemp("dna") / "sites",
        simulated=240,
        simulated_length=45,
        units=4,
        filters=6,
        epochs=1,
        progress=keras.callbacks.Callback(),
    )


@pytest.fixture
def write(tmp_path: Path):
    """Writes a file and gives its path."""

    def write(name: str, text: str | bytes) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return path

    return write
