"""The default data keep their promise: nothing but the order of frames tells the class."""

from __future__ import annotations

import numpy as np

from pipelines.video import floors
from pipelines.video.decoding import Look
from pipelines.video.rendering import PLACES, STEPS, order, render

LOOK = Look(16, 12, "rgb", 10.0)


def test_the_clips_of_a_scene_are_orders_of_the_same_pictures():
    """A model that does not look at the order must be right about one clip of four, exactly."""
    clips = render(16, LOOK, seed=3)
    assert [clip.label for clip in clips] == list(STEPS) * 4
    for k in range(0, 16, 4):
        scene = clips[k : k + 4]
        assert len({clip.group for clip in scene}) == 1
        pictures = [sorted(frame.tobytes() for frame in clip.frames()) for clip in scene]
        assert len(set(pictures[0])) == PLACES
        assert pictures[0] == pictures[1] == pictures[2] == pictures[3]
        described = [floors.describe_clip(clip.frames()).tobytes() for clip in scene]
        assert len(set(described)) == 1
    assert len({clip.digest() for clip in clips}) == 16


def test_a_single_frame_tells_nothing():
    """Of each class, every frame shows every place equally often, over all beginnings."""
    for step in STEPS.values():
        table = np.array([order(start, step) for start in range(PLACES)])
        assert (np.sort(table, axis=0) == np.arange(PLACES)[:, None]).all()
        assert (np.sort(table, axis=1) == np.arange(PLACES)).all()


def test_the_disc_goes_the_way_its_label_says():
    """Right is right on the screen, and fast is three times as far a frame."""
    for clip in render(16, Look(64, 36, "grey", 10.0), seed=1):
        frames = clip.frames()[..., 0].astype(float)
        bright = np.clip(frames - np.median(frames) - 60, 0, None)
        x = (bright.sum(1) * np.arange(64)).sum(1) / bright.sum((1, 2))
        pace = np.median(np.diff(x))
        assert (pace > 0) == clip.label.endswith("rightwards")
        assert (abs(pace) > 8) == clip.label.startswith("fast")


def test_seeds_and_sizes_draw_their_own_scenes():
    """The same settings are the same data, bit by bit; another seed is other data."""
    first, again, other = (render(4, LOOK, seed) for seed in (0, 0, 1))
    assert [c.digest() for c in first] == [c.digest() for c in again]
    assert not {c.digest() for c in first} & {c.digest() for c in other}
    np.testing.assert_array_equal(first[0].frames(), again[0].frames())
    assert first[0].frames(np.array([3, 1])).shape == (2, 12, 16, 3)
