"""What a frozen network makes of clips: computed once, kept in the cache."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import tensorflow as tf

from pipelines.video import cache
from pipelines.video.clips import Clip
from pipelines.video.model import VideoModel

AT_ONCE = 32  # frames


class Features:
    """Vectors a frame, in files of the cache.

    Args:
        model: whose frozen network reads the pictures.
        network: what tells that network with its weights from others.
    """

    def __init__(self, model: VideoModel, network: tuple[str, str]) -> None:
        self._network = network

        @tf.function(
            input_signature=[tf.TensorSpec((None, None, *model.frame), tf.uint8)], autograph=False
        )
        def read(frames: tf.Tensor) -> tf.Tensor:
            return model.read_pictures(frames)

        self._read = read

    def store(self, clip: Clip) -> str:
        """The file of a clip's vectors, (frames, width) float32, from its first frame on."""
        path = cache.place("features", Path(clip.store).name, clip.first, clip.count, self._network)
        if not path.exists():
            cache.write(path, self._vectors(clip))
        return str(path)

    def _vectors(self, clip: Clip) -> Iterator[np.ndarray]:
        for first in range(0, clip.count, AT_ONCE):
            places = np.arange(first, min(first + AT_ONCE, clip.count))
            yield from self._read(clip.frames(places)[None]).numpy()[0]
