"""`rnnkit serve`: starts, says where it is and how TensorFlow Serving would be, stops."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from pipelines.cli import main
from pipelines.server.commands import tensorflow_serving
from pipelines.server.running import listen
from tests.pipelines.server.served import Client, write


def test_a_process_serves_and_stops_when_it_is_interrupted(tmp_path):
    (tmp_path / "my toy").mkdir()
    write(tmp_path / "my toy", 1, ["words"])
    program = "import sys; from pipelines.cli import main; sys.exit(main())"
    with subprocess.Popen(
        [sys.executable, "-c", program, "serve", str(tmp_path), "--port", "0"],
        cwd=Path(__file__).parents[3],
        env={**os.environ, "CUDA_VISIBLE_DEVICES": "-1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            first = process.stdout.readline()
            found = re.fullmatch(r"http://127\.0\.0\.1:(\d+)/v1/models/my toy\n", first)
            assert found, first or process.stderr.read()
            client = Client(int(found[1]))
            question = {"signature_name": "words", "instances": ["a"]}
            answer = client.ask("/v1/models/my%20toy:predict", question)
            assert answer == (200, {"predictions": ["A"]})
            write(tmp_path / "my toy", 2, ["words"])  # is found by itself
            until = time.monotonic() + 60
            while client.ask("/v1/models/my%20toy/versions/2:predict", question)[0] != 200:
                assert time.monotonic() < until
                time.sleep(0.1)
            process.send_signal(signal.SIGINT)
            process.wait(60)
            out, err = process.stdout.read(), process.stderr.read()
        finally:
            process.kill()
    assert process.returncode == 0, err
    assert "docker run" in out
    assert err.splitlines() == [
        "my toy: version 1 is served",
        "my toy: version 2 is served",
        "stopped",
    ]


@pytest.fixture
def refused(capsys):
    def refused(*words):
        assert main(["serve", *map(str, words)]) == 2
        out, err = capsys.readouterr()
        assert out == ""
        assert err.count("\n") == 1
        return err

    return refused


def test_a_folder_without_a_model_is_one_line(refused, tmp_path):
    assert "nowhere: no such folder. Expected a folder with NAME" in refused(tmp_path / "nowhere")
    (tmp_path / "file").write_text("")
    assert "is no folder" in refused(tmp_path / "file")
    (tmp_path / "models" / "toy").mkdir(parents=True)
    assert "models: holds no model" in refused(tmp_path / "models")
    (tmp_path / "models" / "toy" / "1").mkdir()
    assert f"Serve the folder above: rnnkit serve {tmp_path}" in refused(tmp_path / "models/toy")


def test_an_address_that_cannot_be_taken_is_one_line(refused, root):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert f"--port {port} is taken" in refused(root, "--port", port)
    assert "--host no.such.host.invalid" in refused(root, "--host", "no.such.host.invalid")
    assert "--port" in refused(root, "--port", "70000")
    assert "203.0.113.1" in refused(root, "--host", "203.0.113.1")  # not an address of ours


def test_small_answers_are_sent_at_once():
    """Without the protocol's name, asyncio leaves Nagle's algorithm on: 40 ms an answer."""
    with listen("127.0.0.1", 0) as listening:
        assert listening.proto == socket.IPPROTO_TCP


def test_models_that_do_not_load_are_told_one_by_one(tmp_path, capsys):
    (tmp_path / "toy" / "1").mkdir(parents=True)
    (tmp_path / "toy" / "1" / "saved_model.pb").write_bytes(b"no graph")
    assert main(["serve", str(tmp_path), "--port", "0"]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("toy: version 1 does not load: ")
    assert lines[1].startswith(f"error: {tmp_path}: no model loads.")


def test_the_commands_for_tensorflow_serving_name_the_same_folder(tmp_path):
    """One list of models serves both: the container sees the folder under its own path."""
    for name in ("a", "b c"):
        (tmp_path / name / "7").mkdir(parents=True)
        (tmp_path / name / "7" / "batching_parameters.txt").write_text("")
    served = {name: SimpleNamespace(number=7) for name in ("a", "b c")}
    text = tensorflow_serving(tmp_path, served, 8502)
    for name in served:
        assert f'config {{ name: "{name}" base_path: "{tmp_path}/{name}"' in text
    docker, package = (line for line in text.splitlines() if line.startswith(("docker", "tensorf")))
    assert f"-p 127.0.0.1:8502:8501 -v {tmp_path}:{tmp_path}:ro" in docker
    assert "--rest_api_port=8502" in package
    batching = f"--enable_batching=true --batching_parameters_file={tmp_path}/a/7/batching"
    assert text.count(batching) == 2
    assert text.count("--enable_model_warmup=true") == 2
    commands = text.partition("\nEND\n")[2]
    assert subprocess.run(["bash", "-n", "-c", text], capture_output=True).returncode == 0
    assert "config {" not in commands
