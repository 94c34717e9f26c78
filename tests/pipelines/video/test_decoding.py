"""Clips come out of their files as they went in, at the times at which they are shown."""

from __future__ import annotations

import math
from fractions import Fraction
from types import SimpleNamespace

import numpy as np
import pytest

from pipelines.errors import UserError
from pipelines.video import cache, decoding
from pipelines.video.decoding import DecodingError, Look, decode, decode_all, resample

GREY = Look(32, 32, "grey", 10.0)


def test_a_lossless_clip_decodes_to_its_frames(tmp_path, write_clip):
    """Nothing is lost, moved or turned on the way to the model."""
    frames = np.random.default_rng(0).integers(0, 256, (7, 32, 32, 1)).astype(np.uint8)
    path = write_clip(tmp_path / "a.mkv", frames)
    np.testing.assert_array_equal(np.stack(list(decode(path, GREY))), frames)
    rgb = np.stack(list(decode(path, Look(32, 32, "rgb", 10.0))))
    assert rgb.shape == (7, 32, 32, 3)
    assert abs(rgb.mean() - frames.mean()) < 1


@pytest.mark.parametrize("rate", [Fraction(25), Fraction(30000, 1001), Fraction(5), Fraction(10)])
def test_resampling_keeps_what_is_shown_at_each_time(rate):
    """Two clips of one scene with other frame rates give the model the same times."""
    count, wanted = 23, 10
    timed = ((float(3 + k / rate), float(1 / rate), k) for k in range(count))
    found = list(resample(timed, wanted))
    times = [Fraction(k, wanted) for k in range(math.ceil(count / rate * wanted))]
    assert found == [math.floor(time * rate) for time in times]


def test_resampling_of_irregular_times():
    """Screen recordings have no frame rate: a frame stays until the next one."""
    timed = [(0.0, 0.1, "a"), (0.25, 0.1, "b"), (0.3, 0.1, "c"), (0.72, 0.1, "d")]
    assert "".join(resample(iter(timed), 10)) == "aaacccccdd"[:3] + "cccccd"
    assert list(resample(iter([]), 10)) == []
    assert list(resample(iter([(5.0, 0.0, "a")]), 10)) == ["a"]


def test_times_are_those_of_the_file(tmp_path, write_clip, numbered):
    """From the container to the frames, for a frame rate unlike the wanted one."""
    path = write_clip(tmp_path / "a.mkv", numbered(30), rate=25)
    found = [int(frame[0, 0, 0]) // 4 for frame in decode(path, GREY)]
    assert found == [math.floor(k * 2.5) for k in range(12)]


@pytest.mark.parametrize("stamp", [0, None])
def test_time_stamps_that_stand_still(stamp):
    """A clip whose frames all say that they begin at 0, or nothing, is no clip of one frame."""
    base = Fraction(1, 12800)
    frames = [
        SimpleNamespace(time=None if stamp is None else float(stamp), duration=512, time_base=base)
        for _ in range(50)
    ]
    container = SimpleNamespace(decode=lambda stream: iter(frames))
    timed = list(decoding._timed(container, SimpleNamespace(average_rate=Fraction(1250))))
    np.testing.assert_allclose([time for time, _, _ in timed], np.arange(50) / 25)
    assert len(list(resample(iter(timed), 10))) == 20


def test_a_clip_filmed_upright_is_turned(tmp_path, numbered):
    """Phones write sideways pictures and a note to turn them."""
    import av

    picture = np.random.default_rng(0).integers(0, 256, (8, 12)).astype(np.uint8)
    real = av.VideoFrame.from_ndarray(picture, format="gray")

    class Turned:
        rotation = -90  # clockwise

    class Scaler:
        def reformat(self, frame, *arguments, **named):
            return av.video.reformatter.VideoReformatter().reformat(real, *arguments, **named)

    found = decoding._picture(Turned(), Look(8, 12, "grey", 1.0), Scaler())
    np.testing.assert_array_equal(found[..., 0], np.rot90(picture, -1))


def test_broken_clips_are_named_and_the_others_kept(tmp_path, write_clip, numbered):
    """One damaged file of a thousand costs one clip and one line."""
    good = write_clip(tmp_path / "good.mkv", numbered(5))
    whole = write_clip(tmp_path / "whole.mp4", numbered(20), codec="mpeg4").read_bytes()
    (tmp_path / "cut.mp4").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "text.mp4").write_text("no clip\n" * 40)
    (tmp_path / "empty.avi").write_bytes(b"")
    names = ["text.mp4", "good.mkv", "cut.mp4", "empty.avi", "gone.mp4"]
    text, fine, cut, empty, gone = decode_all([tmp_path / name for name in names], GREY)
    assert not fine.fault
    assert fine.frames == 5
    for each in (text, cut, empty):
        assert each.fault.startswith("expected a clip. Received: ")
        assert "\n" not in each.fault
    assert "cannot be read" in gone.fault
    np.testing.assert_array_equal(cache.rows(fine.store, slice(None)), numbered(5))
    assert good.exists()


def test_side_by_side_is_one_by_one(tmp_path, write_clip, numbered):
    """Threads change nothing but the time it takes."""
    paths = [write_clip(tmp_path / f"{k}.mkv", numbered(3 + k)) for k in range(6)]
    look = Look(16, 16, "rgb", 10.0)
    both = decode_all(paths, look, threads=2)
    assert [each.frames for each in both] == [3, 4, 5, 6, 7, 8]
    for path, each in zip(paths, both, strict=True):
        np.testing.assert_array_equal(
            cache.rows(each.store, slice(None)), np.stack(list(decode(path, look)))
        )


def test_nothing_is_decoded_twice(tmp_path, write_clip, numbered, monkeypatch):
    """A second run begins at once; another size, or another content, is decoded anew."""
    path = write_clip(tmp_path / "a.mkv", numbered(4))
    (first,) = decode_all([path], GREY)
    calls = []
    monkeypatch.setattr(decoding, "decode", lambda *given: calls.append(given) or iter([]))
    moved = path.rename(tmp_path / "b.mkv")
    (second,) = decode_all([moved], GREY)
    assert first == second
    assert not calls
    decode_all([moved], Look(16, 16, "grey", 10.0))
    write_clip(moved, numbered(5))
    decode_all([moved], GREY)
    assert len(calls) == 2


def test_a_cache_is_whole_or_not_there(tmp_path, monkeypatch):
    """Killed or out of room in the middle, nothing half-written is taken for a clip."""

    def frames():
        yield np.zeros((2, 2), np.uint8)
        raise RuntimeError

    place = tmp_path / "c" / "x.npy"
    with pytest.raises(RuntimeError):
        cache.write(place, frames())
    assert list(place.parent.iterdir()) == []
    assert cache.write(place, (np.full((2, 2), k, np.uint8) for k in range(11))) == 11
    assert cache.rows(place, np.array([10, 3]))[:, 0, 0].tolist() == [10, 3]
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("RNNKIT_CACHE", str(tmp_path / "file"))
    with pytest.raises(UserError, match=r"cannot be written .* RNNKIT_CACHE"):
        cache.write(cache.place("y"), frames())


@pytest.mark.parametrize(
    ("name", "playlist"),
    [
        ("a.m3u8", "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{other}\n#EXT-X-ENDLIST\n"),
        ("a.mp4", "ffconcat version 1.0\nfile {other.name}\n"),
    ],
)
def test_a_playlist_opens_no_other_file(tmp_path, write_clip, name, playlist):
    """What somebody else sends must not show what lies beside it."""
    frames = np.full((4, 32, 32, 1), 90, np.uint8)
    other = write_clip(tmp_path / "other.mp4", frames, codec="mpeg4")
    (tmp_path / name).write_text(playlist.format(other=other))
    with pytest.raises(DecodingError):
        list(decode(tmp_path / name, GREY))
