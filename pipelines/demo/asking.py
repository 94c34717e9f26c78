"""A served model, asked as a client asks it: by the same requests, within the same limits."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import orjson

from pipelines.server.errors import RequestError
from pipelines.server.limits import Limits
from pipelines.server.version import Version

Row = Mapping[str, Any]
ROWS = 200  # in one request


class Asked:
    """One version of a model: what a person asks at once is answered by it alone.

    Args:
        version: of the model.
        limits: on a request.
    """

    def __init__(self, version: Version, limits: Limits) -> None:
        self.version, self._limits = version, limits

    def answers(
        self, rows: Sequence[Row], signature: str = "serving_default"
    ) -> list[dict[str, Any]]:
        """An answer a row, each with the outputs of the signature by name.

        Raises:
            RequestError: the model, or a limit, refuses the request.
        """
        found: list[dict[str, Any]] = []
        for start in range(0, len(rows), ROWS):
            found += self._ask(rows[start : start + ROWS], signature)
        return found

    def _ask(self, rows: Sequence[Row], signature: str) -> list[dict[str, Any]]:
        question = {"signature_name": signature, "instances": rows}
        try:
            body = orjson.dumps(question, option=orjson.OPT_SERIALIZE_NUMPY)
        except orjson.JSONEncodeError as error:
            raise RequestError(str(error)) from None
        if len(body) > self._limits.body_bytes:
            raise RequestError(f"a request has at most {self._limits.body_bytes} bytes.", 413)
        answer = json.loads(self.version.answer(body, self._limits, self._limits.seconds))
        (name, *others) = self.version.signatures[signature]["outputs"]
        return [row if others else {name: row} for row in answer["predictions"]]

    def steps(self, given: Sequence[Any], seed: int, temperature: float) -> Iterator[Any]:
        """What is given, and then what the model draws, step after step without end.

        The state goes to the model's `stream` with each step and comes back from it.

        Raises:
            RequestError: the server refuses a request.
        """
        if "stream_init" not in self.version.signatures:
            raise RequestError("this version makes no steps. Load the page again.")
        (state,) = self.answers([{"seed": seed}], "stream_init")
        kind = self.version.signatures["stream"]["inputs"]["x"]
        x: Any = "" if kind["dtype"] == "string" else [0] * kind["shape"][1]
        step = 0
        while True:
            row = {"x": x, "seed": seed, "step": step, "temperature": temperature, **state}
            (state,) = self.answers([row], "stream")
            drawn = state.pop("y")
            x = given[step] if step < len(given) else drawn
            yield x
            step += 1


def grows(signatures: Mapping[str, Mapping[str, Any]]) -> bool:
    """Whether a model makes one step after another, of its own, from a primer."""
    stream = signatures.get("stream", {}).get("inputs", {})
    asked = signatures.get("serving_default", {}).get("inputs", {})
    return {"x", "seed", "step", "temperature"} <= stream.keys() and {
        *("primer", "length", "seed", "temperature")
    } <= asked.keys()
