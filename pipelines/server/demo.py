"""One web page on which a person tries each model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pipelines import curl, warmup
from pipelines.server.models import Models
from pipelines.server.version import Version

PAGE = Path(__file__).with_name("page")
SCRIPTS = ("asking", "answers", "influence", "showing", "sound", "growing", "page")
HEADERS = {
    # Whatever a model answers, the page loads nothing and speaks to nobody but this server.
    "content-security-policy": "default-src 'none'; connect-src 'self'; "
    "script-src 'unsafe-inline'; style-src 'unsafe-inline'",
}


def page(models: Models) -> str:
    """The page as HTML, with a form for each model that has a real request to begin with."""
    forms = [_form(name, version) for name, version in sorted(models.served.items())]
    data = json.dumps([form for form in forms if form])
    html = (PAGE / "page.html").read_text("utf-8")
    html = html.replace("STYLE", (PAGE / "page.css").read_text("utf-8"), 1)
    html = html.replace("SCRIPT", script(), 1)
    # "</script>" in a label or a text would end the element that holds it.
    return html.replace("MODELS", data.replace("<", "\\u003c"), 1)


def script() -> str:
    """The JavaScript of the page."""
    files = [(PAGE / f"{name}.js").read_text("utf-8") for name in SCRIPTS]
    return "\n".join(['"use strict";\n', *files])


def _form(name: str, version: Version) -> dict[str, Any] | None:
    stored = warmup.read(version.folder).get("serving_default")
    if not stored or "serving_default" not in version.signatures:
        return None
    specs, row = version.signatures["serving_default"]["inputs"], curl.first_row(stored)
    return {
        "name": name,
        "version": version.number,
        "labels": _labels(version.folder),
        "inputs": {key: {**specs[key], "value": row[key]} for key in specs},
        "outputs": {key: list(sides["outputs"]) for key, sides in version.signatures.items()},
        "stream": version.signatures.get("stream", {}).get("inputs"),
    }


def _labels(folder: Path) -> list[str] | None:
    try:
        return json.loads((folder / "signature.json").read_text("utf-8"))["labels"]
    except (OSError, ValueError, LookupError, TypeError):  # an export that is not ours
        return None
