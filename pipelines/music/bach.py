"""The embedded default of the music task: Bach's chorales as a TFDS data set."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from pipelines.errors import UserError
from pipelines.music.chorales import chorales
from pipelines.music.grid import Song

TICKS = 96  # a quarter note: divides every length in the corpus, triplets included


class BachChorales(tfds.core.GeneratorBasedBuilder):
    """Four-part chorales by J. S. Bach: notes with start and end, for any grid of steps."""

    VERSION = tfds.core.Version("1.0.0")

    def _info(self) -> tfds.core.DatasetInfo:
        return tfds.core.DatasetInfo(
            builder=self,
            description="The four-part chorales by J. S. Bach of music21's corpus. A note is its "
            f"start and end in ticks, {TICKS} a quarter note, and its MIDI pitch.",
            homepage="https://www.music21.org",
            features=tfds.features.FeaturesDict(
                {
                    "name": tfds.features.Text(),
                    "notes": tfds.features.Tensor(shape=(None, 3), dtype=np.int32),
                }
            ),
        )

    def _split_generators(self, dl_manager: Any) -> dict[str, Iterator]:
        return {"train": self._generate_examples()}

    def _generate_examples(self) -> Iterator[tuple[str, dict[str, Any]]]:
        for name, notes in chorales():
            ticks = np.round(notes * [TICKS, TICKS, 1]).astype(np.int32)
            yield name, {"name": name, "notes": ticks}


def bach_chorales(data_dir: str | Path | None = None) -> list[Song]:
    """The chorales, sorted by name; the first call prepares them, in about half a minute.

    Args:
        data_dir: where TFDS data sets lie; None: TFDS's own choice, `TFDS_DATA_DIR` or
            `~/tensorflow_datasets`.

    Raises:
        UserError: the folder cannot be written, or the extra is not installed.
    """
    builder = BachChorales(data_dir=data_dir)
    if not builder.data_path.exists():
        builder = _prepare(builder, data_dir)
    songs = []
    for example in tfds.as_numpy(builder.as_dataset(split="train")):
        notes = example["notes"] / [TICKS, TICKS, 1]
        songs.append(Song(example["name"].decode(), notes))
    return sorted(songs, key=lambda song: song.name)


def _prepare(builder: BachChorales, data_dir: str | Path | None) -> BachChorales:
    tfds.disable_progress_bar()  # ours knows what is left
    try:
        with contextlib.redirect_stdout(io.StringIO()):  # stdout is for answers alone
            builder.download_and_prepare()
    except OSError as error:
        # TFDS writes beside and renames: another process may have been first.
        builder = BachChorales(data_dir=data_dir)
        if not builder.data_path.exists():
            raise UserError(
                f"{builder.data_dir}: cannot be written: {error.strerror or error}. "
                "Set TFDS_DATA_DIR to a folder that can."
            ) from error
    finally:
        tfds.enable_progress_bar()
    return builder
