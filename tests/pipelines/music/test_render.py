"""What a user hears and sees of a piece is the piece."""

from __future__ import annotations

import resource
import wave
from pathlib import Path

import matplotlib.image
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.errors import UserError
from pipelines.music.pieces import HELD, KEYS, LOWEST, STRUCK, Piece
from pipelines.music.reading import read_music
from pipelines.music.render import RATE, synthesize, write_picture, write_piece, write_wav


def chords(steps: int = 16, steps_per_beat: int = 4, seed: int = 0) -> Piece:
    rng = np.random.default_rng(seed)
    roll = np.zeros((steps, KEYS), np.uint8)
    for key in rng.choice(KEYS, 4, replace=False):
        for start in range(0, steps, 4):
            roll[start : start + rng.integers(1, 5), key] = HELD
            roll[start, key] = STRUCK
    roll[-1, 40] = STRUCK
    return Piece("chords", roll, steps_per_beat, tempo=90.0)


@settings(max_examples=25, deadline=None)
@given(st.sampled_from([1, 2, 3, 4, 7, 12, 24, 96]), st.integers(0, 1000))
def test_a_written_midi_file_reads_as_the_same_piece(tmp_path_factory, steps_per_beat, seed):
    """A generated piece, used as the primer of the next one, would be another piece."""
    from pipelines.music.grid import to_notes
    from pipelines.music.midi import write_midi

    piece = chords(steps_per_beat=steps_per_beat, seed=seed)
    path = tmp_path_factory.getbasetemp() / "again.mid"
    write_midi(path, to_notes(piece.roll, steps_per_beat), piece.tempo)
    (again,) = read_music(str(path), steps_per_beat=steps_per_beat).parts["all"]
    np.testing.assert_array_equal(again.roll, piece.roll)
    assert round(again.tempo, 3) == 90


def test_all_three_forms_are_written(tmp_path: Path):
    """`--out song.mid` gives music to play, to hear and to see."""
    paths = write_piece(chords(), tmp_path / "song.mid")
    assert [path.name for path in paths] == ["song.mid", "song.wav", "song.png"]
    assert [path.name for path in write_piece(chords(), tmp_path / "v1.5")] == [
        "v1.5.mid",
        "v1.5.wav",
        "v1.5.png",
    ]


def test_a_full_disk_leaves_no_half_of_a_file(tmp_path: Path):
    """A WAV that stops in the middle would be taken for the piece. The limit on a file's size
    stands for the disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, before[1]))
    try:
        with pytest.raises(UserError, match=r"song\.wav: cannot be written \(file too large\)"):
            write_piece(chords(), tmp_path / "song")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert [path.name for path in tmp_path.iterdir()] == ["song.mid"]


@pytest.mark.parametrize("pitch", [LOWEST, 45, 60, 69, 96, LOWEST + KEYS - 1])
def test_a_note_sounds_at_its_pitch(pitch: int):
    """Music out of tune: the strongest frequency of a note, by a Fourier transform."""
    sound = synthesize(np.array([[0, 4, pitch]]), tempo=60)
    spectrum = np.abs(np.fft.rfft(sound * np.hanning(len(sound))))
    strongest = np.fft.rfftfreq(len(sound), 1 / RATE)[spectrum.argmax()]
    assert strongest == pytest.approx(440 * 2 ** ((pitch - 69) / 12), rel=0.01)


def test_notes_sound_when_the_tempo_says():
    """Rhythm and tempo would be wrong: energy of each half second."""
    sound = synthesize(np.array([[0, 1, 60], [3, 4, 72]]), tempo=120)
    assert len(sound) / RATE == pytest.approx(2, abs=0.2)
    energy = [float(np.square(half).sum()) for half in np.array_split(sound[: 2 * RATE], 4)]
    assert energy[0] > 1
    assert energy[3] > 1
    assert energy[2] < 1e-6


def test_the_sound_is_loud_without_clipping_or_clicks(tmp_path: Path):
    """Twenty keys at once must not crackle, and one alone must be heard."""
    for keys in (range(50, 70), [60]):
        notes = np.array([[0, 2, key] for key in keys])
        write_wav(tmp_path / "a.wav", notes, 100)
        with wave.open(str(tmp_path / "a.wav")) as file:
            assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (RATE, 1, 2)
            samples = np.frombuffer(file.readframes(file.getnframes()), "<i2") / 2**15
        assert 0.75 < np.abs(samples).max() < 0.85
        assert np.sqrt(np.square(samples).mean()) > 0.05
        assert np.abs(samples[[0, -1]]).max() < 1e-3, "begins and ends in silence"
    silence = synthesize(np.zeros((0, 3)), 100)
    assert not silence.any()


def pixels(piece: Piece, path: Path) -> np.ndarray:
    write_picture(path, piece)
    return matplotlib.image.imread(path)[:, :, :3]


def test_the_picture_shows_strikes_and_the_melody(tmp_path: Path):
    """One long note and two short ones would look alike."""
    long = np.zeros((32, KEYS), np.uint8)
    long[:, 40] = HELD
    long[0, 40] = STRUCK
    twice = long.copy()
    twice[16, 40] = STRUCK
    first = pixels(Piece("a", long, 4), tmp_path / "a.png")
    second = pixels(Piece("a", twice, 4), tmp_path / "a.png")
    differing = np.flatnonzero(np.abs(first - second).max(axis=(0, 2)) > 0.1)
    assert 1 <= len(differing) <= 8, "a thin line at the second strike, nothing else"
    assert abs(differing.mean() / first.shape[1] - 0.5) < 0.05, "in the middle of the picture"


@pytest.mark.parametrize(
    "piece",
    [
        Piece("silent", np.zeros((0, KEYS), np.uint8), 4),
        Piece("unknown grid", (chords().roll > 0).astype(np.uint8), 0, has_strikes=False),
        chords(steps=4 * 600),
        Piece("$a_{b}$ \\ %", chords().roll, 3),
    ],
    ids=["silent", "unknown grid", "long", "odd name"],
)
def test_any_piece_can_be_written(tmp_path: Path, piece: Piece):
    """`generate` would fail after minutes of work."""
    for path in write_piece(piece, tmp_path / "piece"):
        assert path.stat().st_size > 0
    assert matplotlib.image.imread(tmp_path / "piece.png").shape[0] < 8000
