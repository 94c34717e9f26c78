"""The same folder under TensorFlow Serving: commands to copy."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path

from pipelines.server.version import Version

CONFIG = "models.config"


def tensorflow_serving(root: Path, served: Mapping[str, Version], port: int) -> str:
    """Lines for a shell: a list of the models, then the container, then the package; either serves
    what `rnnkit serve` does, with batches of requests and warmed up.

    Args:
        root: the folder of all served models.
        served: a version a model.
        port: of the REST interface.
    """
    root = root.resolve()
    entries = "\n".join(
        f'  config {{ name: "{name}" base_path: "{root / name}" model_platform: "tensorflow" }}'
        for name in served
    )
    # One scheduler for all models; every export brings the same parameters.
    batching = [
        root / name / str(version.number) / "batching_parameters.txt"
        for name, version in served.items()
    ]
    options = ["--enable_model_warmup=true"]
    if found := next((path for path in batching if path.is_file()), None):
        options += ["--enable_batching=true", f"--batching_parameters_file={found}"]
    words = " ".join(map(shlex.quote, options))
    mounted = shlex.quote(f"{root}:{root}:ro")
    return (
        f"cat > {CONFIG} <<'END'\nmodel_config_list {{\n{entries}\n}}\nEND\n\n"
        f"docker run --rm -p 127.0.0.1:{port}:8501 -v {mounted} "
        f'-v "$PWD/{CONFIG}":/models/{CONFIG}:ro \\\n'
        f"  tensorflow/serving --model_config_file=/models/{CONFIG} {words}\n\n"
        f"tensorflow_model_server --rest_api_port={port} "
        f'--model_config_file="$PWD/{CONFIG}" {words}\n'
    )
