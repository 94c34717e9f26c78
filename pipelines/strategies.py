"""`--strategy`: one model on several devices, or on several machines, by tf.distribute.

Imports TensorFlow on demand, because several machines have to be set up before it computes.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from pipelines import cluster as clusters
from pipelines.errors import UserError, unknown_name
from pipelines.quiet import silenced, start_tensorflow

if TYPE_CHECKING:
    from pipelines.devices import Devices

STRATEGIES = ("mirrored", "multiworker")


def open_devices(strategy: str, wait: float = clusters.WAIT) -> Devices:
    """What `pipelines.train` takes as `devices`.

    Args:
        strategy: "mirrored", all GPUs of this machine, or "multiworker", all devices of the
            machines that the environment variable TF_CONFIG names. The latter must come before
            anything is computed in this process.
        wait: seconds that the other machines may take to start.

    Raises:
        UserError: there are not several devices, TF_CONFIG is missing or malformed, a machine does
            not answer, TensorFlow has computed already, or Keras runs on something else.
    """
    if strategy not in STRATEGIES:
        raise unknown_name("strategy", strategy, STRATEGIES)
    if (backend := os.environ.get("KERAS_BACKEND", "tensorflow")) != "tensorflow":
        raise UserError(
            f"--strategy {strategy}: expected Keras on TensorFlow. Received: KERAS_BACKEND="
            f"{backend}. Unset it."
        )
    return _mirrored() if strategy == "mirrored" else _multiworker(wait)


def _mirrored() -> Devices:
    start_tensorflow()
    import tensorflow as tf

    from pipelines.devices import ManyDevices

    found = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
    if len(found) < 2:
        raise UserError(
            "--strategy mirrored: expected at least two GPUs. Received: "
            f"{found[0].name.partition('device:')[2]} alone. Leave it out: one process uses all "
            "cores."
        )
    return ManyDevices(tf.distribute.MirroredStrategy([device.name for device in found]))


def _multiworker(wait: float) -> Devices:
    cluster = clusters.from_environment()
    with silenced():
        import tensorflow as tf

        from pipelines.devices import ManyDevices
    clusters.meet(cluster, wait)
    try:
        with silenced():
            strategy = tf.distribute.MultiWorkerMirroredStrategy()
    except RuntimeError as error:
        raise UserError(
            "--strategy multiworker: must be set up before TensorFlow computes anything in this "
            f"process ({str(error).splitlines()[0].rstrip('.')})."
        ) from error
    return ManyDevices(strategy, cluster)
