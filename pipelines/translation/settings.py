"""The settings of the translation task, and the options of its `predict`."""

from __future__ import annotations

from dataclasses import dataclass

from pipelines.settings import Options, Settings, setting


@dataclass(frozen=True, kw_only=True)
class TranslationSettings(Settings):
    """Defaults for pairs of short sentences on two cores (`benchmarks/translation.md`, where a step
    size that falls brought more than anything else)."""

    inherited = frozenset({"tokens"})

    cell: str = setting("gru", "recurrent cell, one that `rnnkit cells` lists")
    units: int = setting(
        256, "width of each recurrent layer; the encoder has it in both directions", minimum=1
    )
    dropout: float = setting(
        0.2, "share of each layer's output dropped in training", minimum=0, maximum=0.95
    )
    epochs: int = setting(12, "most passes over the training part", minimum=1)
    patience: int = setting(
        4, "epochs without a better validation score before it stops", minimum=1
    )
    batch_size: int = setting(64, "pairs a batch", minimum=1)
    learning_rate: float = setting(2e-3, "step size of Adam at the start", above=0)
    decay: float = setting(
        0.8, "factor of the step size from an epoch to the next", above=0, maximum=1
    )
    embedding: int = setting(192, "width of the vector of each token", minimum=1)
    attention: str = setting(
        "bahdanau",
        "how the decoder looks back at the source: bahdanau (additive), luong (dot product), "
        "or none: one vector of fixed size must hold the whole sentence",
        choices=("bahdanau", "luong", "none"),
    )
    tokens: str = setting(
        "subword",
        "what a step reads or writes: subword (pieces learnt from the training part), word or char",
        choices=("subword", "word", "char"),
    )
    vocabulary: int = setting(4000, "most tokens that each side knows", minimum=1)
    label_smoothing: float = setting(
        0.1,
        "share of the probability that training asks for spread over all tokens",
        minimum=0,
        maximum=0.9,
    )
    scheduled_sampling: float = setting(
        0.0,
        "share of the decoder's inputs that in training are its own answers, not the true tokens",
        minimum=0,
        maximum=1,
    )
    beam: int = setting(5, "partial translations that the search keeps", minimum=1)
    source: str = setting(
        "",
        "which side is translated: the suffix of line-aligned files (en), the column of a table "
        "(1), or the key of a TFDS data set",
        reading=True,
    )
    target: str = setting("", "the side with the translations, likewise", reading=True)


@dataclass(frozen=True, kw_only=True)
class TranslationOptions(Options):
    """What `rnnkit predict` can do with a run of this task."""

    beam: int | None = setting(
        None, "partial translations that the search keeps; as in training by default", minimum=1
    )
    n_best: int = setting(
        1,
        "different translations a sentence, best first; at most --beam, and fewer where the search "
        "finds one text cut in several ways",
        minimum=1,
    )
    attention: str | None = setting(
        None,
        "file, .png, for a picture of where the decoder looked; one a sentence, numbered. The "
        "translation's text is cut into tokens anew, which may differ from those that the search "
        "wrote",
    )
