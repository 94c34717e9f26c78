"""One web page on which a person tries each model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pipelines import curl, warmup
from pipelines.server.limits import Limits
from pipelines.server.models import Models
from pipelines.server.version import Version

PAGE = Path(__file__).with_name("page")
SCRIPTS = ("asking", "answers", "influence", "showing", "sound", "growing", "film", "page")
HEADERS = {
    # Whatever a model answers, the page loads nothing and speaks to nobody but this server.
    "content-security-policy": "default-src 'none'; connect-src 'self'; "
    "media-src blob:; script-src 'unsafe-inline'; style-src 'unsafe-inline'",
}


def page(models: Models, limits: Limits) -> str:
    """The page as HTML, with a form for each model that has a real request to begin with."""
    forms = [_form(name, version) for name, version in sorted(models.served.items())]
    data = json.dumps([{**form, "body_bytes": limits.body_bytes} for form in forms if form])
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
        **_told(version.folder),
        "inputs": {key: {**specs[key], "value": row[key]} for key in specs},
        "outputs": {key: list(sides["outputs"]) for key, sides in version.signatures.items()},
        "stream": version.signatures.get("stream", {}).get("inputs"),
    }


def _told(folder: Path) -> dict[str, Any]:
    """The labels and the rate of an export; nothing of one that is not ours."""
    try:
        description = json.loads((folder / "signature.json").read_text("utf-8"))
        return {"labels": description["labels"], "rate": description.get("rate")}
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return {"labels": None, "rate": None}
