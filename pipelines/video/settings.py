"""The settings of the video task, and the options of its `rnnkit predict`."""

from __future__ import annotations

import os
from dataclasses import dataclass

from pipelines.settings import Options, Settings, setting


@dataclass(frozen=True, kw_only=True)
class VideoSettings(Settings):
    """Defaults chosen on validation parts (`benchmarks/video.md`)."""

    layers: int = setting(
        1,
        "number of recurrent layers; 0: none, a model that knows no order, to see what order is "
        "worth",
        minimum=0,
    )
    units: int = setting(64, "width of each recurrent layer, in each direction", minimum=1)
    bidirectional: bool = setting(
        False, "a second net from the end to the start; the export then has no stream"
    )
    dropout: float = setting(
        0.3, "share of activations dropped in training", minimum=0, maximum=0.95
    )
    batch_size: int = setting(16, "clips a batch", minimum=1)
    epochs: int = setting(40, "most passes over the training part", minimum=1)
    learning_rate: float = setting(1e-3, "step size of Adam at the start", above=0)
    frames: int | None = setting(
        None,
        "frames of a clip that the model sees; by default 16 of pictures and all of vectors. "
        "Shorter clips are repeated. With --per-frame recordings are cut into stretches of so many",
        minimum=1,
    )
    sampling: str = setting(
        "uniform",
        "which frames: uniform (the clip is cut in equal segments, of each a frame: any in "
        "training, the middle one in evaluation) or window (frames that follow one another: from "
        "anywhere in training, from the middle in evaluation)",
        choices=("uniform", "window"),
    )
    rate: float = setting(
        10.0,
        "frames a second to which clips are brought, whatever their own rate",
        above=0,
        maximum=1000,
        reading=True,
    )
    width: int = setting(64, "pixels to which pictures are scaled", minimum=8, reading=True)
    height: int = setting(36, "pixels to which pictures are scaled", minimum=8, reading=True)
    colour: str = setting(
        "rgb", "what is read of a picture: rgb or grey", choices=("rgb", "grey"), reading=True
    )
    mirror: bool = setting(
        False, "in training half the clips are seen in a mirror; not where left and right matter"
    )
    differences: str = setting(
        "none",
        "of every frame its difference to the one before, which is motion, whatever the scene: "
        "none, beside (the frame and its difference) or only (nothing of the scene itself)",
        choices=("none", "beside", "only"),
    )
    encoder: str = setting(
        "cnn",
        "what reads a picture: cnn, a small net of its own, or a network of keras.applications, "
        "as MobileNetV2",
    )
    encoder_weights: str = setting(
        "", "file of weights of that network without its top (.h5, .keras or .weights.h5)"
    )
    fine_tune: bool = setting(
        False, "the network's weights are trained too; without it its features are kept on disk"
    )
    filters: int = setting(
        16,
        "filters of the first layer of cnn, which has four; the next have 2, 4, 4 times as many",
        minimum=1,
    )
    features: int = setting(64, "numbers that cnn makes of a picture", minimum=1)
    places: bool = setting(
        True, "cnn tells where something is; without it, only that it is somewhere in the picture"
    )
    per_frame: bool = setting(
        False, "a label for every frame, not one for the clip: tables of vectors", reading=True
    )
    channels: int | None = setting(
        None,
        "numbers a frame, of a table without names of columns: label,x1,y1,x2,y2,... has 2",
        minimum=1,
        reading=True,
    )
    block: int | None = setting(
        None,
        "of such a table, or of .npz: so many rows one after the other are a group, as windows "
        "cut from one recording are, which overlap; the last windows of a block still share frames "
        "with the first of the next, so take blocks much longer than a window",
        minimum=1,
        reading=True,
    )
    group_from: str | None = setting(
        None,
        "regular expression that finds the group in a clip's path, its first group if it has one, "
        r"as '_g(\d+)_'; groups never straddle a split",
        reading=True,
    )
    path_column: str = setting(
        "", "column of a manifest's clips; without it one named path, file, ...", reading=True
    )
    clip_column: str = setting(
        "",
        "column that tells which clip a row of a table of vectors belongs to; without it one named "
        "clip, sequence, ...",
        reading=True,
    )
    label_column: str = setting(
        "", "column of the label; without it one named label, class, ...", reading=True
    )
    group_column: str = setting(
        "", "column of the group; without it one named group, scene, ...", reading=True
    )
    split_column: str = setting(
        "", "column of the part; without it one named split, part, ...", reading=True
    )
    rendered: int = setting(
        800, "clips of the default data, which are rendered", minimum=40, reading=True
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.encoder_weights:  # a run is used from other folders too
            object.__setattr__(self, "encoder_weights", os.path.abspath(self.encoder_weights))


@dataclass(frozen=True, kw_only=True)
class VideoOptions(Options):
    """What `rnnkit predict` knows besides for a run of this task."""

    sheet: str | None = setting(
        None, "picture to write (.png): frames of the clips and the probability over time"
    )
