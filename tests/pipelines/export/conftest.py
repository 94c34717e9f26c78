"""One export of the toy, through every check; and exports without the slow part of the checks."""

from __future__ import annotations

import pytest


@pytest.fixture(scope="package")
def served():
    import keras

    from tests.pipelines.served_toy import toy

    keras.utils.set_random_seed(0)
    return toy()


@pytest.fixture(scope="package")
def version(served, tmp_path_factory):
    """The first version of the toy, through every check."""
    from pipelines.export import export
    from tests.pipelines.served_toy import CARD, requests

    root = tmp_path_factory.mktemp("models")
    return export(served, requests(), root=root, name="toy", card=CARD)


@pytest.fixture
def unchecked(monkeypatch):
    """Without the slow process; what is tested then happens before it."""
    from pipelines import export as export_module

    monkeypatch.setattr(export_module, "check_answers", lambda *_: None)
