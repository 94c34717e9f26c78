"""The settings of the task of named entities, and the options of `rnnkit predict` with its runs."""

from __future__ import annotations

from dataclasses import dataclass

from pipelines.settings import Options, Settings, setting


@dataclass(frozen=True, kw_only=True)
class NerSettings(Settings):
    """Defaults set from what is known to help without pretrained vectors, and `recall_cost` on the
    development part of WNUT-17; `benchmarks/ner.md` says what they reach."""

    units: int = setting(100, "width of each recurrent layer, in each direction", minimum=1)
    dropout: float = setting(
        0.5,
        "share of what goes into and comes out of the recurrent layers dropped in training",
        minimum=0,
        maximum=0.95,
    )
    epochs: int = setting(40, "most passes over the training part", minimum=1)
    patience: int = setting(
        12, "epochs without a better validation score before it stops", minimum=1
    )
    batch_size: int = setting(16, "sentences a batch", minimum=1)
    learning_rate: float = setting(2e-3, "step size of Adam at the start", above=0)
    embedding: int | None = setting(
        None, "width of the vector of a word; 100, or that of --vectors, without it", minimum=1
    )
    vectors: str | None = setting(
        None, "file of pretrained word vectors to start from: GloVe or word2vec, text or binary"
    )
    min_count: int = setting(
        2,
        "words of the training part that occur less often, and have no vector in --vectors, are "
        "unknown words",
        minimum=1,
    )
    word_dropout: float = setting(
        0.3,
        "share of the training words shown as the unknown word, so that spelling and context learn "
        "to speak for it",
        minimum=0,
        maximum=0.95,
    )
    character_embedding: int = setting(25, "width of the vector of a character", minimum=1)
    character_units: int = setting(
        25, "width of the recurrent layer over a word's characters, in each direction", minimum=1
    )
    recall_cost: float = setting(
        3.0,
        "nats by which a missed entity token costs more in training; 0 is plain likelihood, more "
        "finds more entities and invents more",
        minimum=0,
        maximum=20,
    )
    scheme: str = setting(
        "auto",
        "tag scheme of the data: auto (found by its rules), iob1, iob2, iobes (sentences that "
        "break its rules are left out), or none (any label per token)",
        choices=("auto", "iob1", "iob2", "iobes", "none"),
        reading=True,
    )
    tag_column: str = setting(
        "",
        "number of the column of the tags, from 1, or the name of a TFDS feature; the last column "
        "without it",
        reading=True,
    )


@dataclass(frozen=True, kw_only=True)
class NerOptions(Options):
    """What `rnnkit predict` can be told."""

    columns: bool = setting(
        False,
        "--input holds a token a line and blank lines between sentences, whatever its name; else "
        "that is so of .conll, .iob, .iob1, .iob2, .bio, .iobes files, and others are text, a line "
        "a sentence",
    )
