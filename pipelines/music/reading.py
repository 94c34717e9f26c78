"""Reads music: the one door to all its formats."""

from __future__ import annotations

from pathlib import Path

from pipelines.errors import UserError
from pipelines.music.files import MIDI, MUSICXML, kind, music_files, parse_tracks, read_files
from pipelines.music.grid import OnGrid, Song, on_grid
from pipelines.music.pieces import KEYS, TEMPO, Piece
from pipelines.music.rolls import ROLLS, read_rolls
from pipelines.task import Dropped, Reading

BACH = "tfds:bach_chorales"
KINDS = (
    "a folder of MIDI or MusicXML files "
    f"({', '.join(MIDI + MUSICXML)}), one such file, or a piano-roll {' or '.join(ROLLS)} file"
)


def read_music(source: str | None, *, steps_per_beat: int = 4, tracks: str = "") -> Reading:
    """The pieces of a source.

    Args:
        source: a folder (read with all folders in it) of MIDI and MusicXML files, one such file, a
            piano-roll `.mat` or `.json` file, each also as `.gz`; None or `tfds:bach_chorales`:
            Bach's chorales.
        steps_per_beat: int, grid of notes in steps a quarter note. Piano-roll files have their
            own steps.
        tracks: str, tracks of MIDI and parts of MusicXML files to read, as `0,2`; empty: all.

    Returns:
        The pieces: under "train", "valid" and "test" from a piano-roll file, else under "all".

    Raises:
        UserError: nothing there is music we can read.
    """
    chosen = parse_tracks(tracks)
    if source is None or source == BACH:
        return _bach(steps_per_beat)
    if source.startswith("tfds:"):
        raise UserError(
            f"{source}: music needs notes in time, which of the TFDS sets only {BACH} has. "
            f"Expected it or {KINDS}."
        )
    path = Path(source)
    if not path.exists():
        raise UserError(f"{source}: no such file or folder. Expected {KINDS}.")
    if path.is_file() and kind(path) in ROLLS:
        return _rolls(path)
    return _files(path, steps_per_beat, chosen)


def _bach(steps_per_beat: int) -> Reading:
    from pipelines.music.bach import bach_chorales  # imports TensorFlow Datasets

    pieces, grids = _on_grid(bach_chorales(), steps_per_beat)
    description = (
        f"{len(pieces)} four-part chorales by J. S. Bach from music21's corpus, "
        f"{steps_per_beat} steps a beat (not the JSB split of the papers: no figure of theirs "
        "compares)"
    )
    return Reading({"all": [*pieces]}, description, remarks=_grid_remarks(pieces, grids))


def _rolls(path: Path) -> Reading:
    rolls = read_rolls(path)
    outside = sum(piece.outside for pieces in rolls.values() for piece in pieces)
    dropped = [
        Dropped(f"{path}: {piece.name}", "no notes")
        for pieces in rolls.values()
        for piece in pieces
        if not piece.roll.any()
    ]
    parts = {part: [p for p in pieces if p.roll.any()] for part, pieces in rolls.items()}
    for part, pieces in parts.items():
        if not pieces:
            raise UserError(f"{path}: {part}: expected at least one piece with notes.")
    counts = ", ".join(f"{len(pieces)} {part}" for part, pieces in parts.items())
    remarks = [f"{outside} notes outside the {KEYS} keys left out"] if outside else []
    return Reading(
        {part: [*pieces] for part, pieces in parts.items()},
        f"piano rolls of {path.name}: {counts} pieces",
        dropped,
        remarks,
    )


def _files(path: Path, steps_per_beat: int, tracks: tuple[int, ...]) -> Reading:
    folder = path if path.is_dir() else path.parent
    if path.is_dir():
        paths = music_files(path)
        names = [str(file.relative_to(path)) for file in paths]
    else:
        paths, names = [path] if kind(path) in MIDI + MUSICXML else [], [path.name]
    if not paths:
        raise UserError(f"{path}: no music found. Expected {KINDS}.")
    songs: list[Song] = []
    dropped: list[Dropped] = []
    for file, found in zip(paths, read_files(paths, names, tracks), strict=True):
        if isinstance(found, str):
            dropped.append(Dropped(str(file), found))
        else:
            songs += found
    pieces, grids = _on_grid(songs, steps_per_beat)
    dropped += [
        Dropped(str(folder / piece.name), f"no notes on the {KEYS} keys")
        for piece in pieces
        if not piece.roll.any()
    ]
    remarks = _grid_remarks(pieces, grids) + _file_remarks(songs)
    pieces = [piece for piece in pieces if piece.roll.any()]
    if not pieces:
        first = f"{dropped[0].place}: {dropped[0].reason}"
        rest = f" (and {len(dropped) - 1} more files)" if len(dropped) > 1 else ""
        raise UserError(f"{first}{rest}. Nothing is left to read. Expected {KINDS}.")
    description = f"{len(pieces)} pieces of {path.name}, {steps_per_beat} steps a beat"
    return Reading({"all": [*pieces]}, description, dropped, remarks)


def _on_grid(songs: list[Song], steps_per_beat: int) -> tuple[list[Piece], list[OnGrid]]:
    both = [on_grid(song, steps_per_beat) for song in songs]
    return [piece for piece, _ in both], [grid for _, grid in both]


def _grid_remarks(pieces: list[Piece], grids: list[OnGrid]) -> list[str]:
    notes = sum(grid.notes for grid in grids)
    moved = sum(grid.moved for grid in grids)
    outside = sum(grid.outside for grid in grids)
    steps = pieces[0].steps_per_beat if pieces else 0
    return [
        f"{moved} of {notes} notes moved to the grid of {steps} steps a beat",
        f"{outside} notes outside the {KEYS} keys left out",
    ]


def _file_remarks(songs: list[Song]) -> list[str]:
    drums = sum(song.drums for song in songs)
    untimed = [song for song in songs if song.tempo is None]
    notes = sum(len(song.notes) for song in untimed)
    return [
        f"{drums} drum notes left out",
        f"{notes} notes from {len(untimed)} files without a tempo, which get {TEMPO:.0f} "
        "quarter notes a minute",
    ]
