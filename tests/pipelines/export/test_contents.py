"""What lies in an export: all that a server and a reader need, and nothing else."""

from __future__ import annotations

import json
import subprocess

import numpy as np
import tensorflow as tf

from pipelines import kernels, saved_graph
from tests.pipelines.served_toy import requests


def test_the_first_version_is_1_and_holds_what_a_server_and_a_reader_need(version):
    assert version.name == "1"
    for name in (
        "saved_model.pb",
        "batching_parameters.txt",
        "client.py",
        "client.sh",
        "signature.json",
    ):
        assert (version / name).is_file()
    card = (version / "README.md").read_text()
    assert card.startswith("# toy\n")
    assert "A model for tests." in card
    assert "plots/" not in card  # they stay with the run
    assert "| stream input x | float32 (?, 3) |" in card
    assert [each.name for each in version.parent.iterdir()] == ["1"]


def test_the_core_is_an_alias_and_no_endpoint(version):
    """A converter for TPUs finds the numeric part; a client cannot call it."""
    graph = saved_graph.read(version)
    aliases = graph.meta_info_def.function_aliases
    assert "tpu_func" in [
        aliases[name] for name in saved_graph.reached(graph)[1] if name in aliases
    ]
    assert set(saved_graph.signatures(graph)) == {"serving_default", "stream", "stream_init"}


def test_all_of_the_core_can_be_lowered_by_xla_and_strings_stay_outside(version):
    """The table of `rnnkit inspect`; an operation of the core without a kernel would be a server
    that cannot load it."""
    graph = saved_graph.read(version)
    found = kernels.table(graph, saved_graph.CORE)
    core = {name: row for name, row in found.items() if row["core"]}
    assert {"MatMul", "Sigmoid"} <= core.keys() < found.keys()
    for row in core.values():
        assert row["cpu"]
        assert row["xla"]
        assert row["gpu"] is not False
    assert not kernels._devices("StringLower")["xla"]
    assert not any(kernels._devices("NoSuchOperation").values())


def test_the_curl_client_asks_for_the_first_real_row(version):
    script = (version / "client.sh").read_text()
    subprocess.run(["sh", "-n", "-c", script], check=True)
    assert "/v1/models/toy:predict" in script
    (row,) = json.loads(script.partition("<<'END'\n")[2].partition("\nEND\n")[0])["instances"]
    for name, value in requests()["serving_default"].items():
        np.testing.assert_allclose(row[name], value[0], rtol=1e-6)


def test_only_weights_are_stored(version, served):
    weights = tf.train.load_checkpoint(str(version / "variables" / "variables"))
    shapes = weights.get_variable_to_shape_map()
    shapes.pop("_CHECKPOINTABLE_OBJECT_GRAPH")
    assert sorted(map(tuple, shapes.values())) == [(2,), (2, 15), (3, 15), (5, 2), (5, 15)]
