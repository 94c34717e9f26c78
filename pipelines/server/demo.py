"""One web page on which a person tries each model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pipelines import curl, warmup
from pipelines.server.models import Models
from pipelines.server.version import Version

TEMPLATE = Path(__file__).with_name("demo.html")
HEADERS = {
    # Whatever a model answers, the page loads nothing and speaks to nobody but this server.
    "content-security-policy": "default-src 'none'; connect-src 'self'; "
    "script-src 'unsafe-inline'; style-src 'unsafe-inline'",
}


def page(models: Models) -> str:
    """The page as HTML, with a form for each model that has a real request to begin with."""
    forms = [_form(name, version) for name, version in sorted(models.served.items())]
    data = json.dumps([form for form in forms if form])
    # "</script>" in a label or a text would end the element that holds it.
    return TEMPLATE.read_text("utf-8").replace("MODELS", data.replace("<", "\\u003c"), 1)


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
    }


def _labels(folder: Path) -> list[str] | None:
    try:
        return json.loads((folder / "signature.json").read_text("utf-8"))["labels"]
    except (OSError, ValueError, LookupError, TypeError):  # an export that is not ours
        return None
