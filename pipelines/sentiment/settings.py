"""The settings of the sentiment task, and the options of its predictions."""

from __future__ import annotations

from dataclasses import dataclass

from pipelines.settings import Options, Settings, setting

TEXT_NAMES = "text, review, sentence, comment, ..."
LABEL_NAMES = "label, sentiment, class, ..."


@dataclass(frozen=True, kw_only=True)
class SentimentSettings(Settings):
    """Defaults chosen on validation parts of film reviews (`benchmarks/sentiment.md`)."""

    inherited = frozenset({"tokens"})

    units: int = setting(128, "width of each recurrent layer, in each direction", minimum=1)
    epochs: int = setting(20, "most passes over the training part", minimum=1)
    patience: int = setting(
        3, "epochs without a better validation score before it stops", minimum=1
    )
    batch_size: int = setting(32, "texts a batch", minimum=1)
    learning_rate: float = setting(1e-3, "step size of Adam at the start", above=0)
    dropout: float = setting(
        0.5,
        "share of embeddings, and of what is pooled, dropped in training",
        minimum=0,
        maximum=0.95,
    )
    bidirectional: bool = setting(True, "a second net that reads from the end to the start")
    pooling: str = setting(
        "max",
        "how the outputs of all steps become one: last (the end of each direction), mean, max or "
        "attention (weights that are learnt)",
        choices=("last", "mean", "max", "attention"),
    )
    embedding: int | None = setting(
        None,
        "width of the embedding; without it that of --vectors, or 128",
        minimum=1,
    )
    vectors: str = setting(
        "", "file of GloVe or word2vec vectors, text or binary, that the embedding starts from"
    )
    tokens: str = setting(
        "word",
        "what is read one by one: word (in lower case) or char (every character as it is)",
        choices=("word", "char"),
        reading=True,
    )
    max_length: int = setting(
        400, "tokens read of a text; what comes after them is cut", minimum=1, reading=True
    )
    min_count: int = setting(
        2, "tokens that occur less often in the training part are unknown ones", minimum=1
    )
    word_dropout: float = setting(
        0.3,
        "share of tokens replaced by the unknown one in training, so that it is trained for",
        minimum=0,
        maximum=0.95,
    )
    class_weights: bool = setting(
        False, "every class counts alike in the loss, however few its texts"
    )
    text_column: str = setting(
        "", f"column of the text; without it one named {TEXT_NAMES}", reading=True
    )
    label_column: str = setting(
        "", f"column of the label; without it one named {LABEL_NAMES}", reading=True
    )


@dataclass(frozen=True, kw_only=True)
class SentimentOptions(Options):
    """What `rnnkit predict` knows besides with a run of this task."""

    text_column: str = setting(
        "", "column of the text in --input; without it the one of the training data"
    )
    explain: bool = setting(
        False, "which tokens moved each answer, also for --input; told anyway for typed texts"
    )
