"""An example client without Python: `curl` and TensorFlow Serving's REST interface."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

TEMPLATE = """\
#!/bin/sh
# Asks a server for one answer. Needs curl, nothing else.
#
#     rnnkit serve ROOT        or TensorFlow Serving, with the folder above {name}/
#     sh client.sh [http://127.0.0.1:8501]

curl --silent --show-error --header 'Content-Type: application/json' --data @- \\
  "${{1:-http://127.0.0.1:8501}}/v1/models/{name}:predict" <<'END'
{question}
END
echo
"""


def script(name: str, inputs: Mapping[str, tf.Tensor]) -> str:
    """A shell script that asks the model `name` what its `serving_default` makes of the first row
    of `inputs`, in row form."""
    question = json.dumps({"instances": [first_row(inputs)]}, ensure_ascii=False)
    return TEMPLATE.format(name=name, question=question)


def first_row(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """The first row of a batch as JSON, a value an input."""
    return {key: _plain(np.asarray(value)[0]) for key, value in inputs.items()}


def _plain(value: Any) -> Any:
    """A tensor as JSON; bytes that are no text as base64."""
    if isinstance(value, np.ndarray):
        return [_plain(each) for each in value]
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            return {"b64": base64.b64encode(value).decode()}
    if isinstance(value, np.floating):
        return float(str(value))  # 0.8 in float32 is 0.8, not 0.800000011920929
    return value.item() if isinstance(value, np.generic) else value
