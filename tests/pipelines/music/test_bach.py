"""The embedded default: Bach's chorales, prepared once, complete or not at all."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from pipelines.errors import UserError
from pipelines.music import bach, chorales, reading
from pipelines.music.grid import Song

corpus = pytest.importorskip("music21.corpus")
WORKS = ("bwv1.6", "bwv66.6", "bwv227.3", "bwv104.6", "bwv112.5", "bwv846")


@pytest.fixture
def few(monkeypatch, tmp_path: Path) -> None:
    """A small corpus: a horn and four voices, a plain chorale, a copy of it, a chorale of five
    voices, two settings of a tune, and a prelude."""
    every = corpus.getComposer("bach", fileExtensions=("xml",))
    works = [path for path in every if Path(path).stem in WORKS]
    assert len(works) == len(WORKS), "music21's corpus has other works: choose others here"
    plain = next(path for path in works if Path(path).stem == "bwv66.6")
    works.append(shutil.copy(plain, tmp_path / "copy of bwv66.6.mxl"))
    monkeypatch.setattr(corpus, "getComposer", lambda *_, **__: works)


def test_prepared_once_and_read_again(few, tmp_path: Path, capfd):
    """The notes must survive the data set's files, and stdout is for answers alone."""
    songs = bach.bach_chorales(tmp_path)
    expected = dict(chorales.chorales())
    assert [song.name for song in songs] == sorted(expected)
    for song in songs:
        np.testing.assert_allclose(song.notes, expected[song.name])
    changed = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.tfrecord*")}
    bach.bach_chorales(tmp_path)
    assert changed == {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.tfrecord*")}
    assert capfd.readouterr().out == ""


def test_plain_chorales_are_chosen(few):
    """A prelude or a piece with other voices among the chorales is not what was promised."""
    found = dict(chorales.chorales())
    assert set(found) == {"bwv1.6", "bwv66.6", "bwv104.6", "bwv112.5"}, "the copy is dropped too"
    soprano = corpus.parse("bach/bwv1.6", forceSource=True).parts["Soprano"]
    first = [note.pitch.midi for note in soprano.flatten().notes][:6]
    notes = found["bwv1.6"]
    top = [notes[notes[:, 0] == start][:, 2].max() for start in np.unique(notes[:, 0])]
    assert set(first) <= set(top), "the horn is left out and the soprano is the top voice"


def test_settings_of_a_hymn_are_one_group(few, tmp_path, monkeypatch):
    """The same hymn in train and test would make the test score too good."""
    monkeypatch.setattr(bach, "bach_chorales", lambda: songs)
    songs = [Song(name, notes) for name, notes in chorales.chorales()]
    for steps_per_beat in (1, 4):
        found = reading.read_music(None, steps_per_beat=steps_per_beat)
        group = {piece.name: piece.group for piece in found.parts["all"]}
        assert group["bwv104.6"] == group["bwv112.5"] != group["bwv66.6"]
    assert "not the JSB split" in found.description
    assert found.remarks[0].startswith("0 of ")


def test_interludes_are_left_out():
    """Bars of silence would teach the model to stop."""
    sung = np.array([[1, 4, 60], [2, 3, 64], [4.5, 8, 60], [7, 9, 62]])
    assert chorales.longest_rest(sung) == 1
    sung[2:, :2] += 20
    assert chorales.longest_rest(sung) == 20.5


def test_voices_are_found_by_name():
    """Two sopranos, or a missing bass, are no four-part chorale."""
    part = lambda name: SimpleNamespace(partName=name)
    parts = [part(n) for n in ("Horn", "Soprano\rOboe", "Alto", "Tenor", "Bass Continuo", None)]
    assert chorales.four_voices(parts) == parts[1:5]
    assert chorales.four_voices(parts[:4]) is None
    assert chorales.four_voices([*parts, part("Soprano 2")]) is None


def test_an_interrupted_preparation_starts_again(few, tmp_path: Path, monkeypatch):
    """Ctrl-C during the first run must not leave half of a data set for ever."""

    def interrupted():
        yield from list(chorales.chorales())[:1]
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(bach, "chorales", interrupted)
        with pytest.raises(KeyboardInterrupt):
            bach.bach_chorales(tmp_path)
    assert len(bach.bach_chorales(tmp_path)) == len(dict(chorales.chorales()))


def test_a_folder_that_cannot_be_written(tmp_path: Path):
    """The way out is TFDS_DATA_DIR; a traceback does not say so."""
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(UserError, match=r"cannot be written: .*Set TFDS_DATA_DIR"):
        bach.bach_chorales(tmp_path / "file")


@pytest.mark.prove
def test_killed_at_any_moment_it_is_prepared_again(tmp_path: Path, record_property):
    """SIGKILL during the preparation of all chorales: the next call has all of them."""
    kills = 4
    record_property("kills", kills)
    command = [
        sys.executable,
        "-c",
        "import sys; from pipelines.music.bach import bach_chorales; "
        "print(len(bach_chorales(sys.argv[1])))",
        str(tmp_path / "data"),
    ]
    for k in range(kills):
        process = subprocess.Popen(command, start_new_session=True)
        while not list(tmp_path.glob("data/*/*incomplete*")) and process.poll() is None:
            time.sleep(0.1)
        time.sleep(2 * k)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        assert not (tmp_path / "data/bach_chorales/1.0.0").exists()
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert int(done.stdout) > 390
