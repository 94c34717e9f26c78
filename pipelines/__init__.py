"""Task pipelines: from files of sequences to a trained, evaluated and exported model."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class TaskRow:
    """A row of the table of tasks. The modules are imported on demand, so the table is instant."""

    task: str  # "module:Class"
    settings: str  # "module:Class", imports neither Keras nor TensorFlow
    shape: str
    input: str
    output: str
    metric: str
    data: str  # the embedded default


TASKS: dict[str, TaskRow] = {
    "music": TaskRow(
        task="pipelines.music.task:MusicTask",
        settings="pipelines.music.settings:MusicSettings",
        shape="many-to-many",
        input="MIDI, MusicXML, piano-roll .mat or .json",
        output="the next chord; new music",
        metric="nll (nats a frame)",
        data="Bach chorales of music21's corpus",
    ),
}
