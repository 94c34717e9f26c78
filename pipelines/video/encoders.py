"""What reads a picture: a small convolutional net, or a network of keras.applications."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras

from pipelines.errors import UserError, unknown_name

OWN = "cnn"
COARSEST = 4  # pixels of the shorter side at which the small net stops

Tensor = Any


def small_net(
    frame: tuple[int, ...], filters: int, features: int, places: bool
) -> keras.Sequential:
    """Four convolutions of 3 x 3 with steps of 2, then one vector.

        picture -> relu(conv) x 4 (f, 2f, 4f, 4f filters) -> flat -> relu(linear)

    Where something is in a picture is what most motion is about, so that places are kept; without
    `places` the mean over all of them stands for `flat`. Small pictures have fewer convolutions,
    until their shorter side is 4.

    Args:
        frame: (height, width, colours).
        filters: int, f.
        features: int, width of the result.
        places: bool.
    """
    side, layers = min(frame[:2]), []
    for factor in (1, 2, 4, 4):
        if side <= COARSEST:
            break
        layers.append(
            keras.layers.Conv2D(
                factor * filters,
                3,
                strides=2,
                padding="same",
                activation="relu",
                kernel_initializer="he_normal",
            )
        )
        side = -(-side // 2)
    joined = keras.layers.Flatten() if places else keras.layers.GlobalAveragePooling2D()
    head = keras.layers.Dense(features, activation="relu", kernel_initializer="he_normal")
    return keras.Sequential([*layers, joined, head], name="encoder")


def network(name: str, frame: tuple[int, ...]) -> keras.Model:
    """A network of keras.applications without its top, averaged over places, its weights random.

    Raises:
        UserError: there is none of that name, or it cannot take frames of this size.
    """
    try:
        return _function(name)(
            include_top=False, weights=None, input_shape=tuple(frame), pooling="avg"
        )
    except ValueError as error:
        height, width, colours = frame
        raise UserError(
            f"--encoder {name} cannot read pictures of {width} x {height} with {colours} colours: "
            f"{str(error).splitlines()[0]} Use another --width, --height or --colour rgb."
        ) from None


def load_weights(net: keras.Model, name: str, file: str) -> None:
    """Weights from a file into a `network`.

    Raises:
        UserError: there is no such file, or it holds another network's weights.
    """
    if not Path(file).is_file():
        raise UserError(f"--encoder-weights {file}: no such file. Expected weights of {name}.")
    try:
        if file.endswith(".keras"):
            other = keras.saving.load_model(file, compile=False)
            net.set_weights(other.get_weights())
        else:
            net.load_weights(file)
    except (ValueError, OSError, KeyError) as error:
        raise UserError(
            f"--encoder-weights {file}: expected the weights of {name} without its top "
            f"(include_top=False). Received: {str(error).splitlines()[0]}"
        ) from None


def preprocessing(name: str) -> Callable[[Tensor], Tensor]:
    """What makes pixels, 0 to 255, into what a network was trained on."""
    module = inspect.getmodule(_function(name))
    return module.preprocess_input  # type: ignore[union-attr]


def digest(file: str) -> str:
    """What tells one file of weights from another."""
    with open(file, "rb") as weights:
        return hashlib.file_digest(weights, "sha256").hexdigest()


def check(name: str) -> None:
    """Refuses a name that is no encoder.

    Raises:
        UserError: with the nearest names.
    """
    if name != OWN:
        _function(name)


def _function(name: str) -> Callable[..., keras.Model]:
    known = {
        each: function
        for each, function in vars(keras.applications).items()
        if inspect.isfunction(function) and "include_top" in inspect.signature(function).parameters
    }
    if name not in known:
        raise unknown_name("encoder", name, [OWN, *known])
    return known[name]
