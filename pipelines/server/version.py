"""One version of a model, loaded as TensorFlow Serving loads it: a session over its graph."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import tensorflow as tf

from pipelines import saved_graph, warmup
from pipelines.server import json_tensors
from pipelines.server.errors import RequestError, from_tensorflow
from pipelines.server.limits import Limits


class Version:
    """A SavedModel that has answered its own warm-up requests.

    A session, and not the functions of `tf.saved_model.load`: a run of it can have a deadline,
    after which its loops end, and it may run in any number of threads. It is closed when the last
    request that holds this object is done.

    Args:
        folder: of the SavedModel; its name is the number of the version.

    Raises:
        UserError, OSError, ValueError, tf.errors.OpError: it does not load, or does not answer.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.number = int(folder.name)
        self.graph = saved_graph.read(folder)
        self.signatures = saved_graph.signatures(self.graph)
        self._session = tf.compat.v1.Session(graph=tf.Graph())
        with self._session.graph.as_default():
            tf.compat.v1.saved_model.load(self._session, [tf.saved_model.SERVING], str(folder))
        for signature, inputs in warmup.read(folder).items():
            if signature in self.signatures:
                self.run(signature, inputs)

    def answer(self, body: bytes, limits: Limits, seconds: float) -> bytes:
        """The JSON answer to a JSON question, within so many seconds.

        Raises:
            RequestError: it cannot be answered.
        """
        question = json_tensors.read(body)
        if question.signature not in self.signatures:
            raise RequestError(
                f'Serving signature name: "{question.signature[:60]}" not found in signature def. '
                f"Known: {', '.join(self.signatures)}."
            )
        specs = self.signatures[question.signature]["inputs"]
        inputs = json_tensors.tensors(question, specs, limits)
        try:
            outputs = self.run(question.signature, inputs, seconds)
        except tf.errors.DeadlineExceededError:
            raise RequestError(f"not done within {limits.seconds:g} seconds.", status=504) from None
        except tf.errors.OpError as error:
            raise from_tensorflow(error) from error
        return json_tensors.write(outputs, question.form)

    def run(
        self, signature: str, inputs: Mapping[str, np.ndarray], seconds: float = 0.0
    ) -> dict[str, np.ndarray]:
        """The named outputs of a signature; 0 seconds are without end.

        Raises:
            tf.errors.OpError: the graph refuses the inputs; DeadlineExceededError: it took longer.
        """
        definition = self.graph.signature_def[signature]
        return self._session.run(
            {name: info.name for name, info in definition.outputs.items()},
            {definition.inputs[name].name: value for name, value in inputs.items()},
            tf.compat.v1.RunOptions(timeout_in_ms=int(1000 * seconds)),
        )
