"""The page itself: a tab a model, what it is asked, and what it answers."""

from __future__ import annotations

import functools
import itertools
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import gradio
import numpy as np

from pipelines import curl, warmup
from pipelines.demo import growing
from pipelines.demo.answers import Answers, answered, heard, moved, parts
from pipelines.demo.asking import Asked, grows
from pipelines.demo.fields import ASKING, Mistake, TextField, fields
from pipelines.demo.influence import influences, sequences
from pipelines.errors import UserError
from pipelines.server.errors import RequestError
from pipelines.server.limits import Limits
from pipelines.server.models import Models
from pipelines.server.version import Version

WATCHERS = 8  # who may watch something grow at the same time


def page(models: Models, limits: Limits) -> gradio.Blocks:
    """A page with a tab for each model that has a real request to begin with; drawn anew for every
    visitor, so that a new model has its tab.

    Args:
        models: what is served.
        limits: on a request.
    """
    with gradio.Blocks(
        title="rnnkit: models to try",
        analytics_enabled=False,
        delete_cache=(3600, 3600),  # seconds: dropped films and sounds are kept for an hour
    ) as blocks:
        gradio.Markdown(
            "# Models to try\n"
            "Answered by this server; the same requests work against TensorFlow Serving."
        )

        @gradio.render(triggers=[blocks.load])
        def tabs() -> None:
            with gradio.Tabs():
                for name, version in sorted(models.served.items()):
                    if stored := _stored(version):
                        _Trial(models, name, version, stored, limits)

    return blocks


def _stored(version: Version) -> dict[str, Any] | None:
    """A real request, a value an input."""
    stored = warmup.read(version.folder).get("serving_default")
    return curl.first_row(stored) if stored and "serving_default" in version.signatures else None


def _told(folder: Path) -> dict[str, Any]:
    """The labels and the rate of an export; nothing of one that is not ours."""
    try:
        description = json.loads((folder / "signature.json").read_text("utf-8"))
        return {"labels": description["labels"], "rate": description.get("rate")}
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return {"labels": None, "rate": None}


class _Trial:
    """One model's tab.

    Args:
        models: what is served.
        name: of the model.
        version: that is served now; later ones are asked as soon as they are.
        stored: a real request.
        limits: on a request.
    """

    def __init__(
        self, models: Models, name: str, version: Version, stored: dict[str, Any], limits: Limits
    ) -> None:
        self._models, self._name, self._limits = models, name, limits
        specs = version.signatures["serving_default"]["inputs"]
        with gradio.Tab(name, elem_id=f"model-{name}"):
            self._fields = fields(specs, stored, _told(version.folder)["rate"], limits)
            with gradio.Row():
                ask = gradio.Button("Ask", variant="primary", elem_classes="ask")
                if growing_one := grows(version.signatures):
                    watch = gradio.Button("Watch it grow", elem_classes="watch")
                    stop = gradio.Button("Stop", elem_classes="stop")
            gradio.Markdown(f"Version {version.number}")
            self._answers = Answers()
        inputs = [field.component for field in self._fields]
        outputs = list(self._answers.components.values())
        ask.click(_told_in_words(self._ask), inputs, outputs, **ASKING)
        if growing_one:
            watched = {**ASKING, "concurrency_id": "watching", "concurrency_limit": WATCHERS}
            growth = watch.click(_told_in_words(self._watch), inputs, outputs, **watched)
            silence = functools.partial(gradio.update, value=None)
            stop.click(silence, None, self._answers.components["sound"], cancels=[growth])

    def _now(self) -> Asked:
        return Asked(self._models.find(self._name), self._limits)

    def _row(self, held: Sequence[Any]) -> dict[str, Any]:
        return {
            field.name: field.value(each) for field, each in zip(self._fields, held, strict=True)
        }

    def _ask(self, *held: Any) -> Iterator[dict[Any, Any]]:
        """The answer, and then what moved it, which takes longer."""
        row, asked = self._row(held), self._now()
        labels = _told(asked.version.folder)["labels"]
        only = self._fields[0] if len(self._fields) == 1 else None
        if not isinstance(only, TextField):
            (answer,) = asked.answers([row])
            yield self._answers.updates(heard(parts(answer, labels)))
            return
        entries = sequences(row[only.name])
        if len(entries) > self._limits.rows:
            most = self._limits.rows
            raise Mistake(f"expected at most {most} sequences. Received: {len(entries)}.")
        answers = asked.answers([{only.name: text} for _, text in entries])
        seen = answered(entries, answers, labels)
        yield self._answers.updates(seen)
        name, text = entries[0]
        probabilities = answers[0].get("probabilities")
        if text and isinstance(probabilities, list) and isinstance(probabilities[0], float):
            found = influences(asked, only.name, text, probabilities)
            yield self._answers.updates(seen | moved(found, name))

    def _watch(self, *held: Any) -> Iterator[dict[Any, Any]]:
        """One step after the other."""
        row, asked = self._row(held), self._now()
        length, primer = row["length"], row["primer"]
        if not 1 <= length <= growing.MOST_STEPS:
            raise Mistake(f"length: expected 1 to {growing.MOST_STEPS}. Received: {length}.")
        if isinstance(primer, str):
            for text in growing.writing(
                asked.steps(primer, row["seed"], row["temperature"]), length
            ):
                yield self._answers.updates({"text": text})
            return
        if not isinstance(primer, list):
            raise Mistake("primer: expected a list of steps.")
        given = primer[: max(0, row.get("primer_length", len(primer)))]
        steps = itertools.islice(asked.steps(given, row["seed"], row["temperature"]), length)
        try:
            roll = np.array(list(steps), np.uint8)
        except (ValueError, OverflowError, TypeError):
            raise Mistake("primer: expected steps of 88 keys, each 0, 1 or 2.") from None
        yield from self._perform(roll)

    def _perform(self, roll: np.ndarray) -> Iterator[dict[Any, Any]]:
        """A piece is composed in a moment; it is drawn as it sounds."""
        components, sound = self._answers.components, growing.sound(roll)
        began = self._answers.updates({"roll": growing.picture(roll, heard=0), "sound": sound})
        yield began | {components["sound"]: gradio.update(value=sound, visible=True, autoplay=True)}
        for step in growing.playing(len(roll)):
            yield {components["roll"]: growing.picture(roll, heard=step)}


def _told_in_words(work: Callable[..., Iterator[Any]]) -> Callable[..., Iterator[Any]]:
    """What a person did wrong is shown on the page, in one sentence."""

    @functools.wraps(work)
    def doing(*arguments: Any) -> Iterator[Any]:
        try:
            yield from work(*arguments)
        except (RequestError, UserError) as error:
            raise Mistake(str(error)) from None

    return doing
