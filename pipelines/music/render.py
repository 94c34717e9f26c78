"""Pieces as MIDI to play, as WAV to hear and as a picture of the roll."""

from __future__ import annotations

import math
import wave
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection, PatchCollection
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from pipelines.files import replacing
from pipelines.music.grid import Notes, to_notes
from pipelines.music.midi import write_midi
from pipelines.music.pieces import Piece

UNKNOWN_STEPS_PER_BEAT = 2  # where the data do not tell how long a step is
WRITERS = (".mid", ".wav", ".png")


def write_piece(piece: Piece, path: str | Path) -> list[Path]:
    """Writes a piece as `.mid`, `.wav` and `.png`; `path` names them, its suffix is ignored.

    Raises:
        UserError: the disk is full, or writing is not permitted there. No file is half there.
    """
    stem = Path(path)
    stem = stem.with_suffix("") if stem.suffix in WRITERS else stem
    paths = [stem.with_name(stem.name + suffix) for suffix in WRITERS]
    notes = to_notes(piece.roll, piece.steps_per_beat or UNKNOWN_STEPS_PER_BEAT)
    with replacing(paths[0]) as beside:
        write_midi(beside, notes, piece.tempo)
    with replacing(paths[1]) as beside:
        write_wav(beside, notes, piece.tempo)
    with replacing(paths[2]) as beside:
        write_picture(beside, piece)
    return paths


# --- sound ---------------------------------------------------------------------------------------

RATE = 32_000  # samples a second: the highest partial kept is below 16 kHz
PARTIALS = np.arange(1, 9)
ATTACK, RELEASE = 0.008, 0.12  # seconds; without them a note begins and ends with a click
RING = 1.5  # seconds a note rings at middle C before it has faded to 1/e; lower ones longer
PEAK = 0.8  # of full scale


def write_wav(path: str | Path, notes: Notes, tempo: float) -> None:
    """Writes notes as a mono 16-bit WAV file, by additive synthesis.

    A note of pitch p is a sum of eight partials of 440 * 2^((p - 69) / 12) Hz, the k-th with
    amplitude k^-1.5 and fading k^0.7 times as fast as the first, as those of a plucked string do.

    Args:
        path: the file to write.
        notes: float (n, 3): start and end in quarter notes, MIDI pitch.
        tempo: float, quarter notes a minute.
    """
    sound = synthesize(notes, tempo)
    samples = np.round(sound * (2**15 - 1)).astype("<i2")
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(samples.tobytes())


def synthesize(notes: Notes, tempo: float) -> np.ndarray:
    """float32 samples, `RATE` a second, the loudest at `PEAK`."""
    seconds = notes * [60 / tempo, 60 / tempo, 1]
    length = seconds[:, 1].max(initial=0) + RELEASE
    sound = np.zeros(int(np.ceil(length * RATE)) + 1, np.float32)
    tones: dict[tuple[float, float], np.ndarray] = {}
    for start, end, pitch in seconds:
        key = round(end - start, 6), pitch
        if key not in tones:
            tones[key] = _tone(*key)
        tone, begin = tones[key], int(start * RATE)
        sound[begin : begin + len(tone)] += tone
    loudest = np.abs(sound).max()
    return sound * (PEAK / loudest) if loudest > 0 else sound


def _tone(duration: float, pitch: float) -> np.ndarray:
    frequency = 440 * 2 ** ((pitch - 69) / 12)
    ring = RING * 2 ** ((60 - pitch) / 24)
    time = np.arange(int((duration + RELEASE) * RATE), dtype=np.float32) / RATE
    tone = np.zeros_like(time)
    for k in PARTIALS[PARTIALS * frequency < RATE / 2]:
        fading = np.exp(-time * (k**0.7 / ring))
        tone += k**-1.5 * fading * np.sin(np.float32(2 * np.pi * k * frequency) * time)
    tone *= np.minimum(time / ATTACK, 1)
    tone *= np.clip((duration + RELEASE - time) / RELEASE, 0, 1)
    return tone


# --- picture -------------------------------------------------------------------------------------

BEATS_A_LINE = 32
MOST_LINES = 8
BAR = 4  # beats between the stronger lines; rolls do not tell the metre
NAMES = ("C", "C♯", "D", "D♯", "E", "F", "F♯", "G", "G♯", "A", "A♯", "B")
BLACK_KEYS = (1, 3, 6, 8, 10)
INK, MELODY, SHADE, LINE = "#3b5b92", "#c8553d", "#f1f2f5", "#c9ccd4"


def write_picture(path: str | Path, piece: Piece) -> None:
    """Draws the roll in lines of up to 32 beats, as a score is: a dark edge is a strike, the
    highest voice has a colour of its own. What goes beyond eight lines is left out, and said so.
    """
    notes = to_notes(piece.roll, piece.steps_per_beat or 1)
    length = len(piece.roll) / (piece.steps_per_beat or 1)
    unit = "beats" if piece.steps_per_beat else "steps"
    lines = min(max(math.ceil(length / BEATS_A_LINE), 1), MOST_LINES)
    width = BAR * math.ceil(min(length / lines, BEATS_A_LINE) / BAR) or BAR
    notes = notes[notes[:, 0] < lines * width]
    low, high = (notes[:, 2].min() - 2, notes[:, 2].max() + 2) if len(notes) else (58, 62)
    height = 0.7 + lines * (0.5 + 0.075 * (high - low))
    figure = Figure(figsize=(12, height), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    cut = f", the first {lines * width}" if length > lines * width else ""
    title = f"{piece.name} ({length:g} {unit}{cut})"
    figure.suptitle(title, x=0.01, ha="left", fontsize=11, parse_math=False)
    top = _top_voice(notes)
    for line, axes in enumerate(figure.subplots(lines, 1, squeeze=False)[:, 0]):
        begin, end = line * width, (line + 1) * width
        _keyboard(axes, low, high, begin, end)
        _beats(axes, begin, end)
        here = (notes[:, 0] < end) & (notes[:, 1] > begin)
        _draw(axes, notes[here & ~top], INK)
        _draw(axes, notes[here & top], MELODY)
    axes.set_xlabel(unit, fontsize=8)
    figure.savefig(path)


def _keyboard(axes: Axes, low: float, high: float, begin: int, end: int) -> None:
    pitches = np.arange(int(low), int(high) + 1)
    black = pitches[np.isin(pitches % 12, BLACK_KEYS)]
    shades = [Rectangle((begin, pitch - 0.5), end - begin, 1) for pitch in black]
    axes.add_collection(PatchCollection(shades, color=SHADE, linewidth=0, zorder=0))
    labelled = [pitch for pitch in pitches if pitch % 12 in (0, 4, 7)]
    axes.set_yticks(labelled, [f"{NAMES[p % 12]}{p // 12 - 1}" for p in labelled])
    axes.set_ylim(low - 0.5, high + 0.5)


def _beats(axes: Axes, begin: int, end: int) -> None:
    beats = np.arange(begin, end + 1)
    widths = np.where(beats % BAR == 0, 0.9, 0.4)
    axes.vlines(beats, *axes.get_ylim(), colors=LINE, linewidths=widths, zorder=1)
    axes.set_xticks(beats[beats % BAR == 0])
    axes.set_xlim(begin, end)
    axes.tick_params(length=0, labelsize=7)
    axes.spines[:].set_visible(False)


def _draw(axes: Axes, notes: Notes, colour: str) -> None:
    boxes = [Rectangle((a, p - 0.4), b - a, 0.8) for a, b, p in notes]
    strikes = [[(a, p - 0.45), (a, p + 0.45)] for a, _, p in notes]
    axes.add_collection(PatchCollection(boxes, color=colour, alpha=0.55, linewidth=0, zorder=2))
    axes.add_collection(LineCollection(strikes, colors=colour, linewidths=2.2, zorder=3))


def _top_voice(notes: Notes) -> np.ndarray:
    """Which notes are the highest that sound when they start."""
    start, end, pitch = notes.T
    sounding = (start[None] <= start[:, None]) & (start[:, None] < end[None])
    return ~(sounding & (pitch[None] > pitch[:, None])).any(axis=1)
