"""Data sets of TensorFlow Datasets, by name."""

from __future__ import annotations

import contextlib
import sys
import threading
import urllib.error
import urllib.request
from typing import Any

from pipelines.errors import UserError

HOST = "https://storage.googleapis.com"
PATIENCE = 4.0  # seconds; TFDS itself tries for minutes


def prepared_builder(source: str) -> Any:
    """The prepared TFDS builder of `tfds:NAME`.

    Raises:
        UserError: it does not exist, or is neither prepared nor can be, said within seconds.
    """
    import tensorflow_datasets as tfds

    name = source.removeprefix("tfds:")
    try:
        builder = tfds.builder(name)
    except tfds.core.DatasetNotFoundError:
        raise UserError(
            f"{source}: no such data set in TensorFlow Datasets. "
            "Their names: https://www.tensorflow.org/datasets/catalog"
        ) from None
    except Exception as error:  # a name, version, configuration or module that is missing
        raise UserError(f"{source}: {_one_line(error)}") from error
    if builder.data_path.exists():
        return builder
    way_out = (
        "Prepare it where there is one, with `tfds build "
        f"{name}`, and copy it to {builder.data_dir_root} (or set TFDS_DATA_DIR)."
    )
    if not network():
        raise UserError(f"{source}: not prepared, and there is no network. {way_out}")
    try:
        with contextlib.redirect_stdout(sys.stderr):  # stdout is for answers alone
            builder.download_and_prepare()
    except Exception as error:  # whatever a download and a stranger's builder can raise
        raise UserError(f"{source}: cannot be prepared: {_one_line(error)}") from error
    return builder


def decoded(text: bytes, place: str) -> str:
    """A text of a row.

    Args:
        text: its bytes.
        place: of the row, for the message.

    Raises:
        UserError: it is not UTF-8.
    """
    try:
        return text.decode()
    except UnicodeDecodeError as error:
        raise UserError(
            f"{place}: expected UTF-8. Received: byte 0x{text[error.start]:02x} (byte "
            f"{error.start} of the text). Build the data set anew from texts in UTF-8."
        ) from None


def network(url: str = HOST) -> bool:
    """Whether a host answers within `PATIENCE` seconds, through a proxy if one is set."""
    answers: list[bool] = []
    asking = threading.Thread(target=lambda: answers.append(_answers(url)), daemon=True)
    asking.start()
    asking.join(PATIENCE)  # looking up a name heeds no timeout
    return bool(answers and answers[0])


def _answers(url: str) -> bool:
    try:
        urllib.request.urlopen(url, timeout=PATIENCE).close()
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False
    return True


def _one_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
