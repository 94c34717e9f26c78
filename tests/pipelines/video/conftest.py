"""Clips made frame by frame, and a tiny run of rendered clips, trained once."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from pipelines.video.settings import VideoSettings

SMALL = {"width": 16, "height": 12, "rendered": 40, "units": 4, "filters": 4, "features": 8}


@pytest.fixture(scope="session")
def write_clip():
    """Writes frames as a clip, without loss by default, and gives its path."""
    import av

    def write(path: Path, frames: np.ndarray, rate=10, codec="ffv1", times=None) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        with av.open(str(path), "w") as container:
            stream = container.add_stream(codec, rate=Fraction(rate))
            stream.height, stream.width = frames.shape[1:3]
            stream.pix_fmt = "gray" if codec == "ffv1" else "yuv420p"
            for k, picture in enumerate(frames):
                frame = av.VideoFrame.from_ndarray(picture[..., 0], format="gray")
                if times is not None:
                    frame.time_base, frame.pts = Fraction(1, 1000), times[k]
                container.mux(stream.encode(frame))
            container.mux(stream.encode())
        return path

    return write


@pytest.fixture(scope="session")
def numbered():
    """(count, 32, 32, 1) frames whose grey tells their number."""

    def frames(count: int) -> np.ndarray:
        return np.broadcast_to(
            np.arange(count, dtype=np.uint8)[:, None, None, None] * 4, (count, 32, 32, 1)
        ).copy()

    return frames


@pytest.fixture(scope="session")
def grey() -> VideoSettings:
    """Settings that keep 32 x 32 grey frames as they are."""
    return VideoSettings(width=32, height=32, colour="grey", rate=10.0)


@pytest.fixture(scope="session")
def discs(tmp_path_factory: pytest.TempPathFactory):
    """A run of rendered clips, one epoch."""
    import keras

    import pipelines

    return pipelines.train(
        "video",
        run=tmp_path_factory.mktemp("video") / "discs",
        epochs=1,
        progress=keras.callbacks.Callback(),
        **SMALL,
    )
