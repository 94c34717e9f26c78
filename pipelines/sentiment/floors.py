"""What a classifier reaches without recurrence: the majority class, and a bag of words."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pipelines.errors import require
from pipelines.logistic import fit_logistic, logistic
from pipelines.sentiment.scores import scores

MOST_TERMS = 50_000
END = "\x1f"  # stands in no token


def fit_majority(labels: np.ndarray, classes: int) -> dict[str, np.ndarray]:
    """The shares of the classes in the training part."""
    return {"shares": np.bincount(labels, minlength=classes) / len(labels)}


def fit_bag_of_words(
    texts: Sequence[str], labels: np.ndarray, classes: int
) -> dict[str, np.ndarray]:
    """Logistic regression on tf-idf of tokens and of pairs of neighbours, by scikit-learn.

    Terms of one text are left out, and all but the 50,000 most frequent of the others; term
    frequencies are damped (1 + log tf). It knows which words stand in a text, and next to which,
    and nothing of their order beyond.

    Args:
        texts: tokens of each text, joined by `END`: a list of them would take ten times the memory.
        labels: (n,) ints.
        classes: int.

    Returns:
        The fitted model as arrays.

    Raises:
        UserError: scikit-learn is not installed.
    """
    vectorizer = _vectorizer(min_df=2 if len(texts) > 1 else 1, max_features=MOST_TERMS)
    try:
        counts = vectorizer.fit_transform(texts)
    except ValueError:  # no term stands in two texts
        vectorizer = _vectorizer(max_features=MOST_TERMS)
        counts = vectorizer.fit_transform(texts)
    weights, bias = fit_logistic(counts, labels, classes, extra="text", max_iter=1000)
    terms = "\n".join(term.replace("\n", "\r") for term in vectorizer.get_feature_names_out())
    return {
        "terms": np.frombuffer(terms.encode(), np.uint8),
        "idf": vectorizer.idf_.astype(np.float32),
        "weights": weights.astype(np.float32),
        "bias": bias,
    }


def bag_of_words(fitted: dict[str, np.ndarray], texts: Sequence[str]) -> np.ndarray:
    """The probabilities (n, classes) by a fitted bag of words."""
    terms = [term.replace("\r", "\n") for term in fitted["terms"].tobytes().decode().split("\n")]
    vectorizer = _vectorizer(vocabulary=terms)
    vectorizer.idf_ = fitted["idf"]
    return logistic(vectorizer.transform(texts), fitted["weights"], fitted["bias"])


def floor_scores(
    fitted: dict[str, np.ndarray], texts: Sequence[str], labels: np.ndarray
) -> dict[str, dict[str, float]]:
    """What both floors reach; `fitted` holds the arrays of both."""
    majority = np.tile(fitted["shares"], (len(labels), 1))
    return {
        "majority": scores(labels, majority),
        "bag_of_words": scores(labels, bag_of_words(fitted, texts)),
    }


def _vectorizer(**arguments):
    text = require("sklearn.feature_extraction.text", "text")
    return text.TfidfVectorizer(
        tokenizer=_split,
        token_pattern=None,
        lowercase=False,
        ngram_range=(1, 2),
        sublinear_tf=True,
        dtype=np.float32,
        **arguments,
    )


def _split(text: str) -> list[str]:
    return text.split(END)
