"""What a person fills in: a component an input of a model, and the value that it stands for."""

from __future__ import annotations

import html
import itertools
import json
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gradio
import numpy as np

from pipelines.errors import require
from pipelines.server.limits import Limits
from pipelines.video.decoding import DecodingError, Look, decode

Spec = Mapping[str, Any]
"""Of one input: `{"dtype": "float32", "shape": [None, 3]}`."""

# What asks a model, or decodes a film, takes its turn among all visitors.
ASKING: dict[str, Any] = {
    "api_visibility": "private",
    "show_progress": "minimal",
    "concurrency_id": "asking",
    "concurrency_limit": Limits().workers,
}
SHOWN = 8  # frames of a film that are shown
RATE = 10.0  # frames a second, where an export does not tell


class Mistake(gradio.Error):
    """What is wrong with a value, shown on the page and nowhere else. Gradio reads messages as
    HTML; these may quote what a client sent."""

    def __init__(self, words: str) -> None:
        super().__init__(html.escape(words), print_exception=False)


class Field(ABC):
    """One input of a model on the page.

    Args:
        name: of the input.
    """

    component: Any  # of Gradio: what it holds is given to `value`

    def __init__(self, name: str) -> None:
        self.name = name

    @abstractmethod
    def value(self, held: Any) -> Any:
        """The row's value of what the component holds.

        Raises:
            Mistake: it is none.
        """


class TextField(Field):
    """A box for a text, which a dropped file fills."""

    def __init__(self, name: str, example: str) -> None:
        super().__init__(name)
        with gradio.Row():
            self.component = gradio.Textbox(
                example, label=name, lines=4, max_lines=12, scale=4, interactive=True
            )
            file = gradio.File(label="or a file", type="filepath", scale=1, height=150)
        outputs = [self.component, file]
        file.upload(self._read, file, outputs, **ASKING)

    def value(self, held: Any) -> str:
        """The text itself."""
        return str(held or "")

    def _read(self, path: str) -> tuple[str, None]:
        """The text for the box, and nothing where the file was, so that another can be dropped."""
        try:
            return Path(path).read_text("utf-8-sig"), None
        except UnicodeDecodeError:
            raise Mistake(f"{Path(path).name}: expected a text in UTF-8.") from None


class NumberField(Field):
    """A box for a number."""

    def __init__(self, name: str, spec: Spec, example: float) -> None:
        super().__init__(name)
        self._whole = "int" in spec["dtype"]
        precision = 0 if self._whole else None
        self.component = gradio.Number(
            example, label=name, precision=precision, min_width=120, interactive=True
        )

    def value(self, held: Any) -> int | float:
        """The number, whole where the model takes whole ones."""
        if held is None:
            raise Mistake(f"{self.name}: expected a number.")
        return int(held) if self._whole else float(held)


class FilmField(Field):
    """A film of which the model sees frames, uint8 (steps, height, width, 1 or 3), read as training
    reads it: `rate` of them a second, scaled by the mean of what a pixel covers."""

    def __init__(
        self, name: str, spec: Spec, example: Any, rate: float | None, limits: Limits
    ) -> None:
        super().__init__(name)
        _, _, height, width, channels = spec["shape"]
        colour = {1: "grey", 3: "rgb"}[channels]
        self._look = Look(width, height, colour, rate or RATE)
        # In JSON a number has up to three digits and a comma, besides brackets.
        bytes_a_frame = height * (width * (4 * channels + 2) + 3)
        self._most = int(0.98 * limits.body_bytes / bytes_a_frame)
        self._example = frames = np.asarray(example, np.uint8)
        self.component = gradio.State(frames)
        with gradio.Row():
            self.film = gradio.Video(label=f"{name}: drop a film", height=260, sources=["upload"])
            words = f"an example of {len(frames)} frames"
            self.seen = gradio.Image(
                _strip(frames), label=words, height=260, format="png", interactive=False, buttons=[]
            )

    def counts(self, length: NumberField | None) -> None:
        """Another film changes what the model sees, and the number of its frames."""
        outputs = [self.component, self.seen, *([length.component] if length else [])]

        def take(path: str | None) -> list[Any]:
            found, words = self._read(path)
            seen = gradio.update(value=_strip(found), label=words)
            return [found, seen, *([len(found)] if length else [])]

        self.film.change(take, self.film, outputs, **ASKING)

    def value(self, held: Any) -> Any:
        """The frames themselves."""
        return held

    def _read(self, path: str | None) -> tuple[np.ndarray, str]:
        if path is None:
            return self._example, f"an example of {len(self._example)} frames"
        name, look = Path(path).name, self._look
        require("av", "video")
        try:
            found = list(itertools.islice(decode(path, look), self._most))
        except DecodingError as error:
            raise Mistake(f"{name}: {error}") from None
        if not found:
            raise Mistake(f"{name}: expected a film. Received: a file without a single frame.")
        frames = np.stack(found)
        words = f"{len(frames)} frames, {look.rate:g} a second, {look.width} x {look.height}"
        if len(frames) == self._most:
            words += ": the first ones, one request holds no more"
        return frames, words


class JsonField(Field):
    """Whatever else a model takes, as JSON."""

    def __init__(self, name: str, spec: Spec, example: Any) -> None:
        super().__init__(name)
        with gradio.Accordion(f"{name} ({spec['dtype']})", open=False):
            self.component = gradio.Textbox(
                json.dumps(example), show_label=False, max_lines=12, interactive=True
            )

    def value(self, held: Any) -> Any:
        """What the JSON says."""
        try:
            return json.loads(held or "")
        except (ValueError, RecursionError) as error:
            raise Mistake(f"{self.name}: {error}") from None


def fields(
    specs: Mapping[str, Spec], examples: Mapping[str, Any], rate: float | None, limits: Limits
) -> list[Field]:
    """The fields of a model's inputs, drawn where they are made.

    Args:
        specs: of its inputs.
        examples: a value an input.
        rate: frames a second of its films.
        limits: on a request.
    """
    numbers = [name for name, spec in specs.items() if is_number(spec)]
    made: list[Field] = []
    for name in [name for name in specs if name not in numbers]:
        spec, example = specs[name], examples[name]
        if is_text(spec) and isinstance(example, str):
            made.append(TextField(name, example))
        elif is_film(spec):
            made.append(FilmField(name, spec, example, rate, limits))
        else:
            made.append(JsonField(name, spec, example))
    with gradio.Row():
        boxes = {name: NumberField(name, specs[name], examples[name]) for name in numbers}
    for field in made:
        if isinstance(field, FilmField):
            field.counts(boxes.get("length"))
    return [*made, *boxes.values()]


def is_text(spec: Spec) -> bool:
    """A text a row."""
    return spec["dtype"] == "string" and _rank(spec) == 1


def is_number(spec: Spec) -> bool:
    """A number a row."""
    return spec["dtype"] not in ("string", "bool") and _rank(spec) == 1


def is_film(spec: Spec) -> bool:
    """Pictures over time a row, (rows, steps, height, width, 1 or 3)."""
    if spec["dtype"] != "uint8" or _rank(spec) != 5:
        return False
    _, _, height, width, channels = spec["shape"]
    return bool(height and width and channels in (1, 3))


def _rank(spec: Spec) -> int | None:
    return None if spec["shape"] is None else len(spec["shape"])


def _strip(frames: np.ndarray) -> np.ndarray:
    """Some frames beside each other, in order; small ones enlarged, grey ones in three colours."""
    places = (np.arange(min(SHOWN, len(frames))) + 0.5) * len(frames) / min(SHOWN, len(frames))
    chosen = np.broadcast_to(frames[places.astype(int)], (*frames[:SHOWN].shape[:3], 3))
    gap = np.full((frames.shape[1], 1, 3), 255, np.uint8)
    parts = itertools.chain.from_iterable((frame, gap) for frame in chosen)
    strip = np.concatenate(list(parts)[:-1], axis=1)
    times = max(1, 96 // frames.shape[1])
    return strip.repeat(times, axis=0).repeat(times, axis=1)
