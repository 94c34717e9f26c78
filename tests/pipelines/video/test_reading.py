"""Every layout of clips a user may bring, and every way in which it may be wrong."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from pipelines import sources
from pipelines.errors import UserError
from pipelines.labelled import NoLabelsError
from pipelines.video.reading import read_clips
from pipelines.video.settings import VideoSettings
from pipelines.video.task import VideoTask


@pytest.fixture
def clips(tmp_path: Path, write_clip, numbered) -> Path:
    """A folder with two classes, three clips each; all are different."""
    for k in range(3):
        write_clip(tmp_path / "clips" / "run" / f"r{k}_g{k // 2}.mkv", numbered(4 + k))
        write_clip(tmp_path / "clips" / "walk" / f"w{k}.mkv", numbered(8 + k))
    return tmp_path / "clips"


def write(path: Path, text: str) -> str:
    path.write_text(text)
    return str(path)


def test_a_folder_a_class(clips, grey):
    reading = read_clips(str(clips), grey)
    found = {(Path(clip.name).name, clip.label, clip.count) for clip in reading.parts["all"]}
    assert found == {(f"r{k}_g{k // 2}.mkv", "run", 4 + k) for k in range(3)} | {
        (f"w{k}.mkv", "walk", 8 + k) for k in range(3)
    }
    assert not reading.dropped
    assert len({clip.group for clip in reading.parts["all"]}) == 6


def test_nothing_is_lost_of_what_is_good(clips, grey):
    """Stray and broken files, and empty folders, cost a line each and nothing more."""
    (clips / "run" / "notes.txt").write_text("x")
    (clips / "run" / "broken.mp4").write_text("x")
    (clips / "run" / ".hidden").write_text("x")
    (clips / "stray.mkv").write_text("x")
    (clips / "jump").mkdir()
    reading = read_clips(str(clips), grey)
    assert len(reading.parts["all"]) == 6
    told = {Path(each.place).name: each.reason for each in reading.dropped}
    assert set(told) == {"notes.txt", "broken.mp4", "stray.mkv", "jump"}
    assert "Received: .txt" in told["notes.txt"]
    assert "Received: Invalid data" in told["broken.mp4"]
    assert "no folder of a class" in told["stray.mkv"]
    assert told["jump"] == "expected clips of a class. Received: none"


def test_groups_from_names_and_copies(clips, grey):
    """Clips of one scene, and copies under other names, never stand on two sides."""
    copy = clips / "walk" / "copy.mkv"
    copy.write_bytes((clips / "run" / "r2_g1.mkv").read_bytes())
    settings = VideoSettings(**{**grey.to_dict(), "group_from": r"_(g\d)"})
    reading = read_clips(str(clips), settings)
    groups = {Path(clip.name).stem: clip.group for clip in reading.parts["all"]}
    assert groups["r0_g0"] == groups["r1_g0"] == "g0"
    assert groups["r2_g1"] == groups["copy"] == "g1"
    assert len(set(groups.values())) == 5
    assert any("1 clips are copies" in remark for remark in reading.remarks)
    assert any("copies with another label" in remark for remark in reading.remarks)


def test_parts_in_folders(tmp_path, write_clip, numbered, grey):
    for k, part in enumerate(("train", "val", "test", "more")):
        for j, label in enumerate("ab"):
            write_clip(tmp_path / "d" / part / label / "x.mkv", numbered(2 + 2 * k + j))
    reading = read_clips(str(tmp_path / "d"), grey)
    assert {part: len(found) for part, found in reading.parts.items()} == {
        "train": 2,
        "valid": 2,
        "test": 2,
    }
    assert [Path(each.place).name for each in reading.dropped] == ["more"]


def test_a_manifest(clips, grey):
    """Paths are beside the manifest; groups and parts are its own, names of columns too."""
    text = "clip,what,who,fold\nrun/r0_g0.mkv,run,ann,train\nwalk/w0.mkv,walk,bob,TEST\n"
    names = {"path_column": "clip", "label_column": "what", "group_column": "who"}
    settings = VideoSettings(**{**grey.to_dict(), **names, "split_column": "fold"})
    reading = read_clips(write(clips / "m.csv", text), settings)
    (train,), (test,) = reading.parts["train"], reading.parts["test"]
    assert (train.label, train.group, train.count) == ("run", "ann", 4)
    assert (test.label, test.group, test.name) == ("walk", "bob", f"{clips / 'm.csv'}:3")


def test_a_manifest_that_names_missing_files(clips, grey):
    """Each is told by its line; what is there is read."""
    lines = [
        "path,label,split",
        "run/r0_g0.mkv,run,train",
        "run/gone.mkv,run,train",
        ",run,train",
        "walk/w0.mkv,,train",
        "walk/w1.mkv,walk,sometimes",
        "walk/w2.mkv,walk",
        "walk/w0.mkv,walk,train",
    ]
    path = write(clips / "m.csv", "\n".join(lines))
    reading = read_clips(path, grey)
    assert len(reading.parts["train"]) == 2
    reasons = [(each.place.rpartition(":")[2], each.reason) for each in reading.dropped]
    assert [line for line, _ in reasons] == ["3", "4", "5", "6", "7"]
    expected = ("gone.mkv: no such file", "a file in column", "a label", "split must", "3 fields")
    for (_, reason), words in zip(reasons, expected, strict=True):
        assert words in reason
    with pytest.raises(UserError, match=r"m\.csv:2: .*no such file.*Nothing is left"):
        read_clips(write(clips / "m.csv", "path,label\nx.mkv,a\n"), grey)


def test_two_classes_with_one_name(clips, grey):
    """A class spelled in two ways would be learnt as two."""
    (clips / "walk").rename(clips / "Run ")
    with pytest.raises(UserError, match=r"expected one name a class. Received: 'run', and 'Run '"):
        read_clips(str(clips), grey)


def test_groups_that_straddle_a_given_split_are_told(clips, grey):
    """One line for a leak, and all clips are kept: the user decides."""
    rows = "\n".join(
        f"run/r{k}_g{k // 2}.mkv,run,scene,{part}\nwalk/w{k}.mkv,walk,{part},{part}"
        for k, part in enumerate(("train", "valid", "test"))
    )
    path = write(clips / "m.csv", "path,label,group,split\n" + rows + "\n")
    data = sources.load(VideoTask(grey), path)
    assert [len(data.parts[part]) for part in ("train", "valid", "test")] == [2, 2, 2]
    assert len(data.leaks) == 3
    assert all("1 of 2" in leak and "same group" in leak for leak in data.leaks)


def test_copies_in_two_files_are_told(tmp_path):
    """A clip under a group's name in one file, and under none in the other."""
    values = np.random.default_rng(0).random((8, 3, 2))
    named = {"labels": list("abababab"), "groups": list("pqrstuvw")}
    np.savez(tmp_path / "a.npz", values=values, **named)
    np.savez(tmp_path / "b.npz", values=values[[2]], labels=["b"])
    task = VideoTask(VideoSettings())
    data = sources.load(task, str(tmp_path / "a.npz"), test=str(tmp_path / "b.npz"))
    (leak,) = data.leaks
    assert "1 of 1 test records have one of the same group" in leak
    assert "b.npz[0] = " in leak
    assert "a.npz[2]" in leak


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("x.txt", "", "expected a folder with a folder of clips"),
        ("m.csv", "", "expected a line that names the columns. Received: nothing"),
        ("m.csv", "path\nx.mkv\n", "expected a column of labels (label, class"),
        ("m.csv", "what\nx\n", "expected a first line that names a column clip"),
        ("m.csv", "clip,label\nx,a\n", "expected columns of numbers beside clip, label"),
        ("m.csv", "3,1.5,2,3\n", "say how many a frame has: --channels N"),
        ("v.npz", "no zip", "expected an .npz file of arrays"),
    ],
)
def test_what_is_no_source(tmp_path, grey, name, text, words):
    """One line that says what was expected, what came, and the way out."""
    path = write(tmp_path / name, text)
    with pytest.raises(UserError, match=re.escape(words)) as error:
        read_clips(path, grey)
    assert "\n" not in str(error.value)


def test_sources_that_are_not_there(tmp_path, clips, grey):
    for source, words in (
        (str(tmp_path / "gone"), "no such file or folder"),
        ("tfds:ucf101", "video reads no TFDS set"),
    ):
        with pytest.raises(UserError, match=words):
            read_clips(source, grey)
    with pytest.raises(NoLabelsError, match="Received: one clip"):
        read_clips(str(clips / "run" / "r0_g0.mkv"), grey)
    with pytest.raises(NoLabelsError, match="Received: no folders"):
        read_clips(str(clips / "run"), grey)
    with pytest.raises(UserError, match="--group-from must be a regular expression"):
        read_clips(str(clips), VideoSettings(**{**grey.to_dict(), "group_from": "("}))
    with pytest.raises(UserError, match="--per-frame needs --data"):
        read_clips(None, VideoSettings(per_frame=True))


# --- vectors -------------------------------------------------------------------------------------


def test_rows_of_a_label_and_all_numbers(tmp_path):
    """The layout of recorded hand points; rows that do not fit are told by file and line."""
    rows = ["wave,1,2,3,4", "rest,5,6,7,8,9,10", "rest,1,2,3", "rest,1,x", "rest", ",1,2"]
    path = write(tmp_path / "points.csv", "\n".join(rows))
    reading = read_clips(path, VideoSettings(channels=2))
    first, second = reading.parts["all"]
    assert first.frames().tolist() == [[1, 2], [3, 4]]
    assert (second.label, second.count) == ("rest", 3)
    told = [(each.place.rpartition(":")[2], each.reason) for each in reading.dropped]
    assert [line for line, _ in told] == ["3", "4", "5", "6"]
    assert "2 numbers a frame (--channels 2). Received: 3" in told[0][1]
    assert "Received: 'x'" in told[1][1]
    titled = write(tmp_path / "titled.csv", "label,x1,y1\nwave,1,2\n")
    assert len(read_clips(titled, VideoSettings(channels=2)).parts["all"]) == 1


def test_windows_cut_from_one_recording_stay_together(tmp_path):
    """Neighbours overlap: blocks of rows are groups, and none reaches over a change of label."""
    rows = [f"{label},{k},{n}" for n, label in enumerate("ab") for k in range(5)]
    path = write(tmp_path / "points.csv", "\n".join(rows))
    reading = read_clips(path, VideoSettings(channels=1, block=2))
    groups = [clip.group for clip in reading.parts["all"]]
    assert groups == [f"block {k}" for k in (0, 0, 1, 1, 2, 3, 3, 4, 4, 5)]


def test_a_frame_a_row(tmp_path):
    """A table as trackers write it: rows of a clip, columns by name, `frame` is no number of it."""
    lines = [
        "clip,frame,x,y,label,group",
        *(f"{name},{k},{k},{k * 2},{label},p" for name, label in ("ac", "bd") for k in range(3)),
        ",0,1,1,c,p",
        "e,0,1,oops,c,p",
        "f,0,1,1,c,p",
        "f,1,1,1,d,p",
    ]
    reading = read_clips(write(tmp_path / "v.csv", "\n".join(lines)), VideoSettings())
    a, b = reading.parts["all"]
    assert a.frames().tolist() == [[0, 0], [1, 2], [2, 4]]
    assert (a.label, b.label, a.group) == ("c", "d", "p")
    assert [each.place.rpartition(":")[2] for each in reading.dropped] == ["8", "9", "11"]
    assert reading.dropped[0].reason == "expected a clip in column clip. Received: none"
    assert "--per-frame" in reading.dropped[2].reason
    reading = read_clips(write(tmp_path / "v.csv", "\n".join(lines)), VideoSettings(per_frame=True))
    assert [clip.labels for clip in reading.parts["all"]] == [("c",) * 3, ("d",) * 3, ("c", "d")]


def test_arrays(tmp_path):
    """`.npz`, padded with lengths or joined; with labels of clips and of frames."""
    values = np.arange(24, dtype=float).reshape(3, 4, 2)
    np.savez(
        tmp_path / "v.npz",
        values=values,
        labels=["a", "b", "a"],
        lengths=[4, 2, 3],
        splits=["train", "train", "test"],
    )
    reading = read_clips(str(tmp_path / "v.npz"), VideoSettings())
    assert [clip.count for clip in reading.parts["train"]] == [4, 2]
    (test,) = reading.parts["test"]
    np.testing.assert_array_equal(test.frames(), values[2, :3])
    np.savez(
        tmp_path / "j.npz",
        values=values.reshape(12, 2),
        labels=list("aabbccaabbcc"),
        lengths=[5, 7],
    )
    reading = read_clips(str(tmp_path / "j.npz"), VideoSettings(per_frame=True, frames=4))
    assert [(c.count, "".join(c.labels)) for c in reading.parts["all"]] == [
        (4, "aabb"),
        (1, "c"),
        (4, "caab"),
        (3, "bcc"),
    ]
    assert len({clip.group for clip in reading.parts["all"]}) == 2
    np.testing.assert_array_equal(reading.parts["all"][2].frames(), values.reshape(12, 2)[5:9])


PAIR = {"values": np.zeros((2, 3, 1)), "labels": ["a", "b"]}


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"other": [1]}, "expected numbers `values`"),
        ({"values": np.zeros((2, 3, 1)), "labels": ["a"]}, "`labels` of shape (2,), one a clip."),
        ({"values": np.zeros((2, 3, 1)), "labels": [["a"] * 3] * 2}, "a frame use --per-frame."),
        ({"values": np.zeros((2, 3, 1)), "labels": "a"}, "Received: (). With"),
        ({**PAIR, "groups": ["p"] * 6}, "`groups` of shape (2,), one a clip. Received: (6,)."),
        ({**PAIR, "names": ["p"]}, "`names` of shape (2,), one a clip. Received: (1,)."),
        ({**PAIR, "splits": "train"}, "`splits` of shape (2,), one a clip. Received: ()."),
        ({**PAIR, "lengths": [2.0, 3.0]}, "whole numbers `lengths`"),
        ({**PAIR, "lengths": [3, -1]}, "of at least 0, one a clip. Received: int64 (2,), from -1."),
        ({**PAIR, "lengths": 3}, "Received: int64 (), from 3."),
        ({"values": np.zeros((5, 2)), "lengths": [7, -2]}, "from -2."),
        ({"values": np.zeros((5, 2)), "labels": ["a"]}, "Received: no lengths"),
        ({"values": np.zeros((5, 2)), "lengths": [2, 2]}, "Received: lengths of 4 in all"),
        ({"values": np.zeros((2, 3, 1)), "lengths": [2, 9]}, "lengths of at most 3"),
        ({"values": np.zeros((2, 3, 1))}, "expected a label"),
        ({"values": np.full((1, 3, 1), np.nan), "labels": ["a"]}, "Received: nan or inf"),
    ],
)
def test_arrays_that_do_not_fit(tmp_path, arrays, words):
    np.savez(tmp_path / "v.npz", **arrays)
    with pytest.raises(UserError, match=re.escape(words)) as error:
        read_clips(str(tmp_path / "v.npz"), VideoSettings())
    assert "\n" not in str(error.value)


def test_files_that_are_no_arrays(tmp_path):
    """An array under another name, and a file whose content is damaged inside."""
    np.save(tmp_path / "v.npy", np.zeros(3))
    (tmp_path / "v.npy").rename(tmp_path / "a.npz")
    np.savez_compressed(tmp_path / "b.npz", values=np.arange(4000.0))
    packed = bytearray((tmp_path / "b.npz").read_bytes())
    packed[100:140] = bytes(40)
    (tmp_path / "b.npz").write_bytes(packed)
    for name in ("a.npz", "b.npz"):
        with pytest.raises(UserError, match=f"{name}: expected an .npz file of arrays"):
            read_clips(str(tmp_path / name), VideoSettings())


def test_a_label_a_frame_has_the_shape_of_the_frames(tmp_path):
    """A label a clip, taken for one of its first frame, would cost every clip."""
    np.savez(tmp_path / "v.npz", **PAIR)
    with pytest.raises(UserError, match=re.escape("`labels` of shape (2, 3), one a frame.")):
        read_clips(str(tmp_path / "v.npz"), VideoSettings(per_frame=True))
    padded = {**PAIR, "labels": np.array([list("aab"), list("b??")], "S"), "lengths": [3, 1]}
    np.savez(tmp_path / "v.npz", **padded)
    found = read_clips(str(tmp_path / "v.npz"), VideoSettings(per_frame=True)).parts["all"]
    assert ["".join(clip.labels) for clip in found] == ["aab", "b"]


def test_labels_of_frames_of_clips(clips, grey):
    """A manifest of what happens from when to when; what no row names is `none`."""
    text = "path,label,start,end\nrun/r2_g1.mkv,up,0.1,0.3\nrun/r2_g1.mkv,down,0.4,9\n"
    path = write(clips / "m.csv", text + "walk/w0.mkv,up,0.5,0.2\nwalk/w1.mkv,up,a,1\n")
    reading = read_clips(path, VideoSettings(**{**grey.to_dict(), "per_frame": True}))
    (clip,) = reading.parts["all"]
    assert clip.labels == ("none", "up", "up", "none", "down", "down")
    assert [each.place.rpartition(":")[2] for each in reading.dropped] == ["4", "5"]
    with pytest.raises(UserError, match="expected labels of frames"):
        read_clips(str(clips), VideoSettings(**{**grey.to_dict(), "per_frame": True}))
