"""How a user narrows a search: `--fix a=1`, `--choose b=x,y`, `--range c=1e-4:1e-2:log`."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from keras_tuner import HyperParameters
from keras_tuner.engine.hyperparameters import Float, Int

from pipelines.cells import cell_class
from pipelines.errors import UserError, unknown_name
from pipelines.settings import Settings

_WORDS = {"true": True, "yes": True, "false": False, "no": False}


@dataclass(frozen=True)
class Range:
    """From `low` to `high`, both included, evenly or by the logarithm."""

    low: float
    high: float
    log: bool
    whole: bool  # whole numbers only


@dataclass(frozen=True)
class Narrowing:
    """What a user said of the settings by name."""

    fixed: dict[str, Any] = field(default_factory=dict)
    choices: dict[str, list[Any]] = field(default_factory=dict)
    ranges: dict[str, Range] = field(default_factory=dict)


def parse(
    cls: type[Settings], fix: Sequence[str], choose: Sequence[str], ranges: Sequence[str]
) -> Narrowing:
    """What the options say, each value of its setting's type and within its limits.

    Args:
        cls: the settings of the task.
        fix: as `units=128`.
        choose: as `cell=gru,peephole_lstm`.
        ranges: as `learning_rate=1e-4:1e-2:log`.

    Raises:
        UserError: an unknown setting or cell, a value its setting does not take, an empty range, or
            a setting that is named twice.
    """
    found = Narrowing()
    options = {"--fix": fix, "--choose": choose, "--range": ranges}
    for option, text in ((option, text) for option, texts in options.items() for text in texts):
        name, setting, value = _split(cls, option, text)
        place = f"{option} {text}"
        if name in found.fixed | found.choices | found.ranges:
            raise UserError(f"{place}: {name} is named twice. Leave one out.")
        if option == "--fix":
            found.fixed[name] = _value(cls, setting, value, place)
        elif option == "--range":
            found.ranges[name] = _range(cls, setting, value, place)
        elif len(values := _choices(cls, setting, value, place)) > 1:
            found.choices[name] = values
        else:
            found.fixed[name] = values[0]
    return found


def narrowed(space: HyperParameters, narrowing: Narrowing, defaults: Settings) -> HyperParameters:
    """The space without what is fixed, with what is chosen in place of what was there.

    Raises:
        UserError: nothing is left to search.
    """
    result = HyperParameters()
    names = [hp.name for hp in space.space]
    named = [*narrowing.choices, *narrowing.ranges]
    for name in [*names, *(name for name in named if name not in names)]:
        default = getattr(defaults, name)
        if name in narrowing.fixed:
            continue
        if name in narrowing.choices:
            values = narrowing.choices[name]
            if isinstance(values[0], bool):  # of which keras-tuner's Choice makes 0 and 1
                result.Boolean(name, default=default)
                continue
            result.Choice(name, values, default=default if default in values else values[0])
        elif name in narrowing.ranges:
            _register(result, name, narrowing.ranges[name], default)
        else:
            result.merge([hp for hp in space.space if hp.name == name])
    if not result.space:
        raise UserError("nothing is left to search: every setting is fixed. Use rnnkit train.")
    return result


def space_in_words(space: HyperParameters) -> list[str]:
    """A space as a user says it: `cell=gru,lstm`, `learning_rate=0.0001:0.01:log`."""
    words = []
    for each in space.space:
        if isinstance(each, (Int, Float)):
            log = ":log" if each.sampling == "log" else ""
            words.append(f"{each.name}={each.min_value:g}:{each.max_value:g}{log}")
        else:
            words.append(f"{each.name}={','.join(str(value) for value in each.values)}")
    return words


def _register(result: HyperParameters, name: str, found: Range, default: Any) -> None:
    sampling = "log" if found.log else "linear"
    inside = default is not None and found.low <= default <= found.high
    start = default if inside else found.low
    if found.whole:
        whole = (int(found.low), int(found.high))
        result.Int(name, *whole, sampling=sampling, default=int(start))
    else:
        result.Float(name, found.low, found.high, sampling=sampling, default=float(start))


def _split(cls: type[Settings], option: str, text: str) -> tuple[str, dataclasses.Field, str]:
    name, equals, value = text.partition("=")
    name = name.strip().removeprefix("--").replace("-", "_")
    fields = {each.name: each for each in dataclasses.fields(cls)}
    if not equals or not value.strip():
        raise UserError(f"{option} {text}: expected name=value. Example: {_EXAMPLES[option]}")
    if name not in fields:
        raise unknown_name("hyper-parameter", name, fields)
    return name, fields[name], value.strip()


_EXAMPLES = {
    "--fix": "--fix units=128",
    "--choose": "--choose cell=gru,peephole_lstm",
    "--range": "--range learning_rate=1e-4:1e-2:log",
}


def _value(cls: type[Settings], setting: dataclasses.Field, text: str, place: str) -> Any:
    kind = str(setting.type)
    if kind.endswith(" | None") and text.lower() == "none":
        return None
    kind = kind.removesuffix(" | None")
    reads: dict[str, Callable[[str], Any]] = {"int": int, "float": float, "bool": _boolean}
    try:
        value = reads.get(kind, str)(text)
    except ValueError:
        words = {"int": "a whole number", "float": "a number", "bool": "yes or no"}
        raise UserError(f"{place}: expected {words[kind]}. Received: {text}.") from None
    try:
        cls(**{setting.name: value})
    except UserError as error:
        raise UserError(f"{place}: {error}") from None
    if setting.name == "cell":
        cell_class(value)
    return value


def _boolean(text: str) -> bool:
    if text.lower() not in _WORDS:
        raise ValueError(text)
    return _WORDS[text.lower()]


def _choices(cls: type[Settings], setting: dataclasses.Field, text: str, place: str) -> list[Any]:
    words = [word.strip() for word in text.split(",") if word.strip()]
    values = list(dict.fromkeys(_value(cls, setting, word, place) for word in words))
    if not values or None in values:
        raise UserError(f"{place}: expected values with commas between. Received: {text}.")
    return values


def _range(cls: type[Settings], setting: dataclasses.Field, text: str, place: str) -> Range:
    parts = text.split(":")
    kind = str(setting.type).removesuffix(" | None")
    if kind not in ("int", "float"):
        raise UserError(f"{place}: {setting.name} is no number. Use --choose {setting.name}=...")
    if len(parts) not in (2, 3) or parts[2:] not in ([], ["log"], ["linear"]):
        raise UserError(f"{place}: expected low:high or low:high:log. Received: {text}.")
    low, high = (_value(cls, setting, part, place) for part in parts[:2])
    if low is None or high is None or not (math.isfinite(low) and math.isfinite(high)):
        raise UserError(f"{place}: expected two finite numbers. Received: {text}.")
    if not low < high:
        raise UserError(
            f"{place}: an empty range, expected low < high. Received: {low} and {high}."
        )
    log = parts[2:] == ["log"]
    if log and low <= 0:
        raise UserError(f"{place}: log needs low above 0. Received: {low}.")
    return Range(low, high, log, whole=kind == "int")
