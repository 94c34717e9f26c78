"""The settings of the music task."""

from __future__ import annotations

from dataclasses import dataclass

from pipelines.settings import Settings, setting


@dataclass(frozen=True, kw_only=True)
class MusicSettings(Settings):
    """Defaults chosen on the validation part of JSB Chorales (`benchmarks/music.md`)."""

    units: int = setting(200, "width of each recurrent layer", minimum=1)
    dropout: float = setting(
        0.3, "share of each recurrent layer's output dropped in training", minimum=0, maximum=0.95
    )
    epochs: int = setting(200, "most passes over the training part", minimum=1)
    patience: int = setting(
        20, "epochs without a better validation score before it stops", minimum=1
    )
    batch_size: int = setting(16, "pieces a batch", minimum=1)
    learning_rate: float = setting(4e-3, "step size of Adam at the start", above=0)
    head: str = setting(
        "nade",
        "how the 88 keys of a step are predicted: nade (jointly, highest key first; chords need "
        "it) or bernoulli (each key by itself, comparable with Chung et al. 2014)",
        choices=("nade", "bernoulli"),
    )
    head_units: int = setting(256, "width of the nade head's hidden layer", minimum=1)
    transpose: int = setting(
        6,
        "training pieces are shifted by up to so many semitones, at random",
        minimum=0,
        maximum=12,
    )
    steps_per_beat: int = setting(
        4,
        "grid of MIDI and MusicXML files: steps a quarter note",
        minimum=1,
        maximum=96,
        reading=True,
    )
    tracks: str = setting(
        "", "tracks of a MIDI file to read, as 0,2; without it all but drums", reading=True
    )
