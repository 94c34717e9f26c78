"""Task pipelines: from files of sequences to a trained, evaluated and exported model."""

from __future__ import annotations

from dataclasses import dataclass
from os import PathLike
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pipelines.run import Run


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
    options: str = ""  # "module:Class", flags of `rnnkit predict`; see `pipelines.task.Answering`


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
    "sentiment": TaskRow(
        task="pipelines.sentiment.task:SentimentTask",
        settings="pipelines.sentiment.settings:SentimentSettings",
        options="pipelines.sentiment.settings:SentimentOptions",
        shape="many-to-one",
        input="CSV, TSV, JSON Lines; a folder of texts a class",
        output="the label, and the words that moved it",
        metric="accuracy",
        data="reviews written for this project",
    ),
    "ner": TaskRow(
        task="pipelines.ner.task:NerTask",
        settings="pipelines.ner.settings:NerSettings",
        options="pipelines.ner.settings:NerOptions",
        shape="many-to-many",
        input="CoNLL columns, a token and its tag a line",
        output="the entities of a sentence, or a label a token",
        metric="f1_strict",
        data="sentences written for this project",
    ),
    "dna": TaskRow(
        task="pipelines.dna.task:DNATask",
        settings="pipelines.dna.settings:DNASettings",
        options="pipelines.dna.settings:DNAOptions",
        shape="many-to-one or many-to-many",
        input="FASTA, CSV sequence,label or BED",
        output="a label a sequence, or a label a letter",
        metric="accuracy",
        data="simulated splice sites",
    ),
    "video": TaskRow(
        task="pipelines.video.task:VideoTask",
        settings="pipelines.video.settings:VideoSettings",
        options="pipelines.video.settings:VideoOptions",
        shape="many-to-one or many-to-many",
        input="clips in folders or a manifest; tables of vectors a frame",
        output="the label, and its probability over time",
        metric="top1",
        data="rendered clips",
    ),
    "translation": TaskRow(
        task="pipelines.translation.task:TranslationTask",
        settings="pipelines.translation.settings:TranslationSettings",
        shape="many-to-many, another length",
        input="pairs of sentences: a table, or line-aligned files",
        output="translations, n-best",
        metric="bleu (sacreBLEU)",
        data="dates in 36 languages",
        options="pipelines.translation.settings:TranslationOptions",
    ),
    "charlm": TaskRow(
        task="pipelines.charlm.task:CharLMTask",
        settings="pipelines.charlm.settings:CharLMSettings",
        shape="one-to-many",
        input="a text file, plain or .gz",
        output="the next character; new text",
        metric="nll (nats a character)",
        data="Python's documentation topics",
    ),
    "adding": TaskRow(
        task="pipelines.memory.adding:AddingTask",
        settings="pipelines.memory.settings:AddingSettings",
        shape="many-to-one",
        input="numbers, two of them marked",
        output="the sum of those two",
        metric="mse",
        data="drawn, --length N",
    ),
    "copy": TaskRow(
        task="pipelines.memory.copying:CopyTask",
        settings="pipelines.memory.settings:CopySettings",
        shape="many-to-many",
        input="ten symbols, then silence",
        output="the ten symbols after N steps",
        metric="nll (nats a step)",
        data="drawn, --length N",
    ),
}


def train(task: str, data: str | PathLike[str] | None = None, **arguments: Any) -> Run:
    """Trains a model, or goes on where the same call was stopped: `pipelines.training.train`."""
    from pipelines.quiet import start_tensorflow

    start_tensorflow()
    from pipelines.training import train

    return train(task, data, **arguments)


def load_run(path: str | PathLike[str]) -> Run:
    """Opens the run in the folder `path`: `pipelines.run.Run`."""
    from pipelines.quiet import start_tensorflow

    start_tensorflow()
    from pipelines.run import Run

    return Run.load(path)
