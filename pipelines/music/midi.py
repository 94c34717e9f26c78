"""MIDI files to songs and back."""

from __future__ import annotations

import io
from collections import defaultdict, deque
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from pipelines.errors import require
from pipelines.music.grid import LONGEST, Notes, Song

DRUMS = 9  # channel 10, counted from 0
TICKS = 480  # a quarter note, in the files we write
VELOCITY = 80


class UnreadableError(Exception):
    """A file that holds no music we can read; the message is the reason."""


def read_midi(data: bytes, name: str, tracks: Collection[int] = ()) -> list[Song]:
    """The songs of a MIDI file: one, or one a track in a file of type 2.

    Time is in quarter notes, so changes of tempo do not matter; the first tempo is kept. A note
    that is never released sounds to the end of its track. The pedal is ignored, as it would blur
    the roll.

    Args:
        data: the bytes of the file.
        name: str, the name of the song.
        tracks: numbers of the tracks to read, from 0; empty: all.

    Raises:
        UnreadableError: the file is corrupt, or has no notes but drums.
    """
    file = _parse(data)
    if file.ticks_per_beat <= 0:
        raise UnreadableError(
            "its times are not in quarter notes (SMPTE frames or a division of 0)"
        )
    chosen = [(k, t) for k, t in enumerate(file.tracks) if not tracks or k in tracks]
    apart = file.type == 2  # its tracks are songs of their own
    found = []
    for together in [[entry] for entry in chosen] if apart else [chosen]:
        parts = [_notes(track) for _, track in together]
        # The tempo usually stands in a first track of its own, which need not be among the chosen.
        tempo = _tempo([track for _, track in together] if apart else file.tracks)
        notes = np.array([row for rows, _ in parts for row in rows], float).reshape(-1, 3)
        notes[:, :2] /= file.ticks_per_beat
        if len(notes):
            title = f"{name}#{together[0][0]}" if apart else name
            found.append(Song(title, notes, tempo, drums=sum(drums for _, drums in parts)))
    if not found:
        raise UnreadableError(_why_empty(file, chosen))
    for song in found:
        if song.notes[:, 1].max() > LONGEST:
            raise UnreadableError(
                f"lasts over {LONGEST:.0f} quarter notes, so a time in it is corrupt"
            )
    return found


def _parse(data: bytes) -> Any:
    if not data:
        raise UnreadableError("empty file")
    mido = require("mido", "music")
    try:
        return mido.MidiFile(file=io.BytesIO(data))
    except EOFError:
        raise UnreadableError("corrupt MIDI: it ends too early") from None
    except Exception as error:  # mido lets whatever goes wrong in a corrupt file through
        raise UnreadableError(f"corrupt MIDI: {error}") from error


def _notes(track: Iterable) -> tuple[list[tuple[int, int, int]], int]:
    """(start, end, pitch) in ticks, and the number of drum notes."""
    notes, drums, now = [], 0, 0
    sounding: dict[tuple[int, int], deque[int]] = defaultdict(deque)
    for message in track:
        now += message.time
        if message.type not in ("note_on", "note_off"):
            continue
        strikes = message.type == "note_on" and message.velocity > 0
        if message.channel == DRUMS:
            drums += strikes
            continue
        starts = sounding[message.channel, message.note]
        if strikes:
            starts.append(now)
        elif starts:
            notes.append((starts.popleft(), now, message.note))
    for (_, pitch), starts in sounding.items():
        notes += [(start, now, pitch) for start in starts]
    return notes, drums


def _tempo(tracks: Iterable[Iterable]) -> float | None:
    first: tuple[int, int] | None = None  # when, microseconds a quarter note
    for track in tracks:
        now = 0
        for message in track:
            now += message.time
            if message.type == "set_tempo" and message.tempo > 0:
                if first is None or now < first[0]:
                    first = now, message.tempo
                break
    return 60e6 / first[1] if first else None


def _why_empty(file: Any, chosen: Iterable) -> str:
    if not chosen:
        return f"none of the chosen tracks; it has {len(file.tracks)}"
    if sum(_notes(track)[1] for _, track in chosen):
        return "no notes but drums"
    return "no notes"


def write_midi(path: str | Path, notes: Notes, tempo: float) -> None:
    """Writes notes as a MIDI file of one piano track.

    Args:
        path: the file to write.
        notes: float (n, 3): start and end in quarter notes, MIDI pitch.
        tempo: float, quarter notes a minute.
    """
    mido = require("mido", "music")
    file = mido.MidiFile(ticks_per_beat=TICKS)
    track = file.add_track()
    track.append(mido.MetaMessage("set_tempo", tempo=min(max(round(60e6 / tempo), 1), 2**24 - 1)))
    events = [(round(end * TICKS), "note_off", int(pitch)) for _, end, pitch in notes]
    events += [(round(start * TICKS), "note_on", int(pitch)) for start, _, pitch in notes]
    now = 0
    for time, kind, pitch in sorted(events, key=lambda event: (event[0], event[1] == "note_on")):
        track.append(mido.Message(kind, note=pitch, velocity=VELOCITY, time=time - now))
        now = time
    file.save(path)
