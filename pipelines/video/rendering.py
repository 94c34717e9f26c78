"""The default data: rendered clips of which only the order of frames tells the class.

A scene is 16 pictures: a disc at 16 places of a line from the left to the right, the places equally
far apart. A clip shows every picture once, beginning anywhere; its class is how many places the
disc goes on from one frame to the next, where it leaves the picture coming in on the other side:

    place_t = (start + t step) mod 16        step = 1, -1, 3, -3        t = 0..15

The steps have no divisor in common with 16, so that each comes to every place once: the four clips
of a scene, one a class, are four orders of the same 16 pictures. They stand on one side of a split.
Whatever does not look at the order gives all four the same answer and is right about one of them
exactly, whatever it has learnt: its accuracy is 1/4, not about 1/4. A single frame, even with its
number t, tells nothing either, because `start` is drawn from all places alike.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from pipelines.video import cache
from pipelines.video.clips import Clip
from pipelines.video.decoding import Look

PLACES = 16
STEPS = {"rightwards": 1, "leftwards": -1, "fast rightwards": 3, "fast leftwards": -3}
NOISE = 12.0  # standard deviation, of 255


def render(clips: int, look: Look, seed: int) -> list[Clip]:
    """The clips of `clips / 4` scenes; their frames go into the cache.

    Args:
        clips: int, how many at least.
        look: size and colours of the pictures; its rate is not used.
        seed: fixes every random draw.
    """
    scenes = -(-clips // len(STEPS))
    store = cache.place("disc", scenes, look, seed)
    starts = np.random.default_rng((seed, 1)).integers(0, PLACES, scenes)
    if not store.exists():
        cache.write(store, _frames(starts, look, seed))
    return [
        Clip(
            name=f"scene {scene} {label}",
            store=str(store),
            first=(scene * len(STEPS) + k) * PLACES,
            count=PLACES,
            content=f"disc {look} {seed} {scene} {label}",
            label=label,
            group=f"scene {scene}",
        )
        for scene in range(scenes)
        for k, label in enumerate(STEPS)
    ]


def order(start: int, step: int) -> np.ndarray:
    """The places of the disc, frame by frame."""
    return (start + step * np.arange(PLACES)) % PLACES


def _frames(starts: np.ndarray, look: Look, seed: int) -> Iterator[np.ndarray]:
    for scene, start in enumerate(starts.tolist()):
        pictures = _scene(np.random.default_rng((seed, 2, scene)), look)
        for step in STEPS.values():
            yield from pictures[order(start, step)]


def _scene(random: np.random.Generator, look: Look) -> np.ndarray:
    """(16, height, width, colours) uint8: a disc at each place, before a wall in a colour that
    changes from side to side, noise on everything."""
    height, width, colours = look.shape
    radius = random.uniform(0.12, 0.2) * min(height, width)
    x = (np.arange(PLACES) + random.uniform()) / PLACES * width
    left, right = random.uniform(0.25, 0.75, 2) * height
    y = left + (right - left) * x / width
    first, last = random.uniform(20, 110, (2, colours))
    bright = random.uniform(170, 255, colours)
    across = np.linspace(0, 1, width)[:, None]
    wall = np.broadcast_to(first * (1 - across) + last * across, (height, width, colours))
    column, row = np.arange(width) + 0.5, (np.arange(height) + 0.5)[:, None]
    distance = np.hypot(column - x[:, None, None], row - y[:, None, None])
    cover = np.clip(radius + 0.5 - distance, 0, 1)[..., None]  # of each pixel by the disc
    pictures = wall * (1 - cover) + bright * cover
    pictures += random.normal(0, NOISE, pictures.shape)
    return np.clip(np.round(pictures), 0, 255).astype(np.uint8)
