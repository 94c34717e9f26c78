"""MIDI and MusicXML files: every note of the user's music, at its time; one clear line if not."""

from __future__ import annotations

import gzip
import io
import os
from pathlib import Path

import mido
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.errors import UserError
from pipelines.music.files import parse_tracks, read_file
from pipelines.music.midi import UnreadableError, read_midi
from pipelines.music.musicxml import read_musicxml
from pipelines.music.reading import read_music

BEAT = 480


def midi_bytes(*tracks: list, type: int = 1, ticks: int = BEAT) -> bytes:
    file = mido.MidiFile(type=type, ticks_per_beat=ticks)
    file.tracks.extend(mido.MidiTrack(track) for track in tracks)
    data = io.BytesIO()
    file.save(file=data)
    return data.getvalue()


def on(pitch: int, time: int = 0, channel: int = 0, velocity: int = 64) -> mido.Message:
    return mido.Message("note_on", note=pitch, time=time, channel=channel, velocity=velocity)


def off(pitch: int, time: int = BEAT, channel: int = 0) -> mido.Message:
    return mido.Message("note_off", note=pitch, time=time, channel=channel)


def tempo(quarters: float, time: int = 0) -> mido.MetaMessage:
    return mido.MetaMessage("set_tempo", tempo=round(60e6 / quarters), time=time)


def notes(data: bytes, tracks: tuple[int, ...] = ()) -> list[list[float]]:
    (song,) = read_midi(data, "song", tracks)
    return sorted(song.notes.tolist())


def test_notes_have_their_times_in_quarter_notes():
    """Rhythms would be wrong as soon as a file counts other ticks or changes its tempo."""
    track = [tempo(120), on(60), off(60), tempo(30), on(62, time=BEAT // 2), off(62, time=BEAT * 2)]
    for ticks in (BEAT, 96, 7):
        scaled = [message.copy(time=message.time * ticks // BEAT) for message in track]
        times = notes(midi_bytes(scaled, ticks=ticks))
        np.testing.assert_allclose(times, [[0, 1, 60], [1.5, 3.5, 62]], atol=0.1)
    (song,) = read_midi(midi_bytes(track), "song")
    assert song.tempo == 120, "the first tempo counts"
    (song,) = read_midi(midi_bytes(track, [tempo(50, time=BEAT)]), "song")
    assert song.tempo == 120, "also when a later one stands in another track"


@pytest.mark.parametrize(
    ("track", "expected"),
    [
        ([on(60), on(60, BEAT, velocity=0)], [[0, 1, 60]]),
        ([on(60), on(64, BEAT), off(64)], [[0, 2, 60], [1, 2, 64]]),
        ([on(60), on(60, BEAT), off(60), off(60)], [[0, 2, 60], [1, 3, 60]]),
        ([on(60), on(60, 0, channel=1), off(60, channel=1), off(60)], [[0, 1, 60], [0, 2, 60]]),
        ([off(61), on(60), off(60)], [[1, 2, 60]]),
    ],
    ids=["velocity 0 releases", "never released", "overlap", "two channels", "only released"],
)
def test_notes_end_where_they_are_released(track, expected):
    """Notes would be lost, or hang to the end of the piece."""
    assert notes(midi_bytes(track)) == expected


def test_running_status_is_understood():
    """Half of the files in the wild leave repeated status bytes out."""
    track = bytes.fromhex("00 90 3c 40 60 3c 00 00 3e 40 60 3e 00 00 ff 2f 00")
    header = b"MThd" + bytes.fromhex("00000006 0000 0001 0060")
    data = header + b"MTrk" + len(track).to_bytes(4) + track
    assert notes(data) == [[0, 1, 60], [1, 2, 62]]


def test_drums_are_left_out_and_counted():
    """A drum kit would be read as a piano part."""
    (song,) = read_midi(midi_bytes([on(60), on(36, channel=9), off(60)]), "song")
    assert song.notes.tolist() == [[0, 1, 60]]
    assert song.drums == 1


def test_tracks_are_merged_or_chosen():
    """A melody could not be taken from its accompaniment."""
    data = midi_bytes([tempo(90)], [on(72), off(72)], [on(48), off(48)])
    assert notes(data) == [[0, 1, 48], [0, 1, 72]]
    assert notes(data, (2,)) == [[0, 1, 48]]
    (song,) = read_midi(data, "song", (1,))
    assert round(song.tempo) == 90, "the tempo of a track that was not chosen still counts"


def test_tracks_of_type_2_are_pieces_of_their_own():
    """Songs that have nothing to do with each other would sound at once."""
    data = midi_bytes([on(72), off(72)], [tempo(90), on(48), off(48)], type=2)
    first, second = read_midi(data, "song")
    assert (first.name, first.notes.tolist(), first.tempo) == ("song#0", [[0, 1, 72]], None)
    assert (second.name, second.notes.tolist()) == ("song#1", [[0, 1, 48]])


def test_agrees_with_another_reader(tmp_path: Path):
    """The same notes as music21 reads, in a file of two voices of random rhythm."""
    converter = pytest.importorskip("music21.converter")
    rng = np.random.default_rng(0)
    tracks = []
    for low in (40, 70):
        track: list = []
        for pitch in rng.integers(low, low + 20, 30):
            track += [
                on(pitch, time=120 * rng.integers(0, 3)),
                off(pitch, 120 * rng.integers(1, 9)),
            ]
        tracks.append(track)
    path = tmp_path / "random.mid"
    path.write_bytes(midi_bytes(*tracks))
    stream = converter.parse(path, quantizePost=False, forceSource=True, storePickle=False)
    expected = sorted(
        [float(note.offset), float(note.offset + note.quarterLength), note.pitch.midi]
        for part in stream.parts
        for note in part.stripTies().flatten().notes
    )
    np.testing.assert_allclose(notes(path.read_bytes()), expected, atol=1e-6)


SONG = midi_bytes([tempo(100), on(60), off(60)])


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty file"),
        (b"This is no music.", "corrupt MIDI: MThd not found"),
        (SONG[:-9], "corrupt MIDI: it ends too early"),
        (SONG[:12] + bytes([0xE7, 0x28]) + SONG[14:], "SMPTE"),
        (SONG[:12] + bytes([0, 0]) + SONG[14:], "division of 0"),
        (midi_bytes([tempo(100)]), "no notes"),
        (midi_bytes([on(36, channel=9), off(36, channel=9)]), "no notes but drums"),
        (midi_bytes([on(60), off(60, time=0xFFFFFF)], ticks=1), "a time in it is corrupt"),
    ],
    ids=["empty", "text", "cut off", "smpte", "division 0", "silent", "drums", "endless"],
)
def test_a_bad_file_has_a_reason(data: bytes, reason: str):
    """The user would not know which file to repair, or the reader would fill the memory."""
    with pytest.raises(UnreadableError, match=reason):
        read_midi(data, "song")


def test_a_track_that_is_not_there():
    """A wrong --tracks would look like an empty file."""
    with pytest.raises(UnreadableError, match="none of the chosen tracks; it has 1"):
        read_midi(SONG, "song", (4,))


# --- any bytes -----------------------------------------------------------------------------------


def check_any_bytes(folder: Path, name: str, data: bytes) -> None:
    path = folder / name
    path.write_bytes(data)
    found = read_file(path, name)
    if isinstance(found, str):
        assert found, "a reason"
        assert "\n" not in found
    else:
        assert all(len(song.notes) for song in found)


EVENT = st.one_of(
    st.binary(max_size=6),
    st.builds(lambda a, b, c: bytes([a, 0x90, b, c]), *[st.integers(0, 127)] * 3),
    st.builds(lambda a, b: bytes([a, 0x80, b, 0]), *[st.integers(0, 127)] * 2),
)


@st.composite
def damaged(draw) -> bytes:
    """Bytes, bytes under a MIDI header, or a MIDI file with a few bytes changed."""
    if draw(st.booleans()):
        track = b"".join(draw(st.lists(EVENT, max_size=30))) + bytes.fromhex("00 ff 2f 00")
        header = draw(st.binary(min_size=6, max_size=6) | st.just(bytes([0, 1, 0, 1, 1, 224])))
        size = draw(st.just(len(track)) | st.integers(0, 2**32 - 1))
        data = b"MThd" + (6).to_bytes(4) + header + b"MTrk" + size.to_bytes(4) + track
    else:
        data = SONG
    data = bytearray(data)
    for _ in range(draw(st.integers(0, 3))):
        data[draw(st.integers(0, len(data) - 1))] = draw(st.integers(0, 255))
    return bytes(data[: draw(st.just(len(data)) | st.integers(0, len(data)))])


@settings(max_examples=150, deadline=None)
@given(damaged() | st.binary(max_size=60), st.sampled_from(["a.mid", "a.mid.gz"]))
def test_any_bytes_are_read_or_have_a_reason(tmp_path_factory, data: bytes, name: str):
    """One damaged file among thousands would end the whole reading with a traceback."""
    check_any_bytes(tmp_path_factory.getbasetemp(), name, data)


@pytest.mark.prove
def test_all_kinds_of_bytes_are_read_or_have_a_reason(tmp_path: Path, record_property):
    """Damaged MIDI, MusicXML and gzip files are read or dropped with one line, no traceback."""
    record_property("files", 10_000)

    @settings(max_examples=5000, deadline=None)
    @given(damaged())
    def midi(data: bytes) -> None:
        check_any_bytes(tmp_path, "a.mid", data)

    @settings(max_examples=5000, deadline=None)
    @given(st.data())
    def others(draw) -> None:
        name = draw.draw(st.sampled_from(["a.mid.gz", "a.xml", "a.mxl", "a.musicxml.gz"]))
        data = bytearray(gzip.compress(SONG) if name.endswith(".gz") else SCORE.encode())
        for _ in range(draw.draw(st.integers(0, 4))):
            data[draw.draw(st.integers(0, len(data) - 1))] = draw.draw(st.integers(0, 255))
        check_any_bytes(tmp_path, name, bytes(data))

    midi()
    others()


# --- MusicXML ------------------------------------------------------------------------------------


def xml_note(step: str, octave: int, duration: int, extra: str = "", before: str = "") -> str:
    return (
        f"<note>{before}<pitch><step>{step}</step><octave>{octave}</octave></pitch>"
        f"<duration>{duration}</duration>{extra}</note>"
    )


GRACE = "<note><grace/><pitch><step>B</step><octave>5</octave></pitch></note>"
TRANSPOSED = "<transpose><chromatic>-2</chromatic></transpose>"
SCORE = f"""<?xml version="1.0" encoding="UTF-8"?>
<score-partwise version="3.1">
<part-list><score-part id="P1"><part-name>Flute</part-name></score-part>
<score-part id="P2"><part-name>Clarinet</part-name></score-part></part-list>
<part id="P1"><measure number="1"><attributes><divisions>2</divisions>
<time><beats>4</beats><beat-type>4</beat-type></time></attributes>
<direction><sound tempo="72"/></direction>{GRACE}
{xml_note("C", 5, 6)}{xml_note("D", 5, 2, '<tie type="start"/>')}</measure>
<measure number="2">{xml_note("D", 5, 4, '<tie type="stop"/>')}
{xml_note("E", 5, 4)}{xml_note("G", 5, 4, before="<chord/>")}</measure></part>
<part id="P2"><measure number="1"><attributes><divisions>2</divisions>
<time><beats>4</beats><beat-type>4</beat-type></time>{TRANSPOSED}</attributes>
{xml_note("D", 4, 8)}</measure></part>
</score-partwise>
"""


def test_musicxml_is_read_as_it_sounds(tmp_path: Path):
    """Tied notes would be struck twice, a clarinet would play a tone too high."""
    path = tmp_path / "score.musicxml"
    path.write_text(SCORE, "utf-8")
    song = read_musicxml(path, "score")
    flute = [[0, 3, 72], [3, 6, 74], [6, 8, 76], [6, 8, 79]]
    assert sorted(song.notes.tolist()) == sorted([*flute, [0, 4, 60]])
    assert song.tempo == 72
    assert sorted(read_musicxml(path, "score", (0,)).notes.tolist()) == flute


def test_ties_agree_with_music21():
    """A real score: the notes that music21 itself makes of each part when it strips the ties."""
    corpus = pytest.importorskip("music21.corpus")
    from pipelines.music.musicxml import notes_of

    parts = corpus.parse("bach/bwv66.6", forceSource=True).parts
    expected = sorted(
        [float(note.offset), float(note.offset + note.quarterLength), note.pitch.midi]
        for part in parts
        for note in part.stripTies().flatten().notes
    )
    np.testing.assert_allclose(sorted(notes_of(parts)[0].tolist()), expected)


# --- folders -------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "deep").mkdir()
    (tmp_path / "b.mid").write_bytes(SONG)
    (tmp_path / "deep" / "a.MIDI.gz").write_bytes(gzip.compress(midi_bytes([on(62), off(62)])))
    (tmp_path / "c.xml").write_text(SCORE, "utf-8")
    (tmp_path / "broken.mid").write_bytes(SONG[:-9])
    (tmp_path / "broken.mid.gz").write_bytes(gzip.compress(SONG)[:-9])
    (tmp_path / "notes.txt").write_text("not music")
    return tmp_path


def test_a_folder_is_read_with_all_folders_in_it(folder: Path):
    """Files would be missed, or one broken file would lose all the others."""
    reading = read_music(str(folder), steps_per_beat=2)
    assert [piece.name for piece in reading.parts["all"]] == ["b.mid", "c.xml", "deep/a.MIDI.gz"]
    assert [piece.tempo for piece in reading.parts["all"]] == [100, 72, 100]
    assert reading.parts["all"][0].roll[:, 60 - 21].tolist() == [2, 1]
    places = {Path(dropped.place).name: dropped.reason for dropped in reading.dropped}
    assert places["broken.mid"] == "corrupt MIDI: it ends too early"
    assert places["broken.mid.gz"].startswith("cannot be read:")
    assert reading.remarks == [
        "0 of 7 notes moved to the grid of 2 steps a beat",
        "0 notes outside the 88 keys left out",
        "0 drum notes left out",
        "1 notes from 1 files without a tempo, which get 100 quarter notes a minute",
    ]


def test_many_files_are_read_in_parallel(tmp_path: Path):
    """A large folder would come in another order, or lose files, on a machine of more cores; and
    processes that the user starts later would not find the modules of their folder."""
    before = dict(os.environ)
    for k in range(40):
        (tmp_path / f"{k:02}.mid").write_bytes(midi_bytes([on(40 + k), off(40 + k)]))
    (tmp_path / "07.mid").write_bytes(b"MThd")
    reading = read_music(str(tmp_path))
    keys = [int(piece.roll.any(axis=0).argmax()) + 21 - 40 for piece in reading.parts["all"]]
    assert keys == [k for k in range(40) if k != 7]
    assert len(reading.dropped) == 1
    assert dict(os.environ) == before


def test_notes_outside_the_keyboard_are_counted(tmp_path: Path):
    """Music would get thinner without a word."""
    path = tmp_path / "wide.mid"
    path.write_bytes(midi_bytes([on(5), on(60), on(120), off(60)]))
    reading = read_music(str(path))
    assert "2 notes outside the 88 keys left out" in reading.remarks
    path.write_bytes(midi_bytes([on(5), off(5)]))
    with pytest.raises(UserError, match="no notes on the 88 keys"):
        read_music(str(path))


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("nowhere", "nowhere: no such file or folder. Expected a folder of MIDI"),
        ("empty", "no music found"),
        ("text.txt", "no music found"),
        ("broken", r"broken.a.mid: empty file \(and 1 more files\). Nothing is left"),
        ("tfds:mnist", "tfds:mnist: music needs notes"),
    ],
)
def test_a_source_without_music(tmp_path: Path, monkeypatch, source: str, message: str):
    """The user would not learn what was expected."""
    monkeypatch.chdir(tmp_path)
    Path("empty").mkdir()
    Path("broken").mkdir()
    Path("broken/a.mid").write_bytes(b"")
    Path("broken/b.mid").write_bytes(b"MT")
    Path("text.txt").write_text("no music")
    with pytest.raises(UserError, match=message) as caught:
        read_music(source)
    assert "\n" not in str(caught.value)


def test_track_numbers():
    """A typing error in --tracks would choose other tracks."""
    assert parse_tracks("") == ()
    assert parse_tracks("0, 2") == (0, 2)
    for wrong in ("a", "1,", "-1", "1;2"):
        with pytest.raises(UserError, match="--tracks must be track numbers"):
            parse_tracks(wrong)
