"""What mattered in a search, and its pictures."""

from __future__ import annotations

import pytest

from tuning import search_plots
from tuning.importance import importance


def test_importance_finds_what_mattered():
    """Of three settings only one moves the score; a trial gone astray does not hide it."""
    settings = [
        {"cell": "gru" if k % 2 else "lstm", "units": 10 + 7 * k % 31, "rate": k % 5 / 10}
        for k in range(40)
    ]
    scores = [each["rate"] + 0.001 * k for k, each in enumerate(settings)]
    scores[3] = 1e9
    found = importance(settings, scores)
    assert found is not None
    assert found.names[0] == "rate"
    assert found.means[0] > 5 * abs(found.means[1])
    assert found.explained > 0.5
    assert importance(settings[:5], scores[:5]) is None


def test_pictures_of_settings_without_a_value(tmp_path):
    """The default trial may have None where the others have numbers or words: `--range
    bptt_steps=10:90`. After hours of search, the report must not be what fails."""
    settings = [
        {"cell": "gru" if k % 2 else "lstm", "steps": 10 * k or None, "words": "ab"[k % 2]}
        for k in range(10)
    ]
    settings[0]["words"] = None
    scores = [float(k) for k in range(10)]
    rows = [{"settings": s, "score": x} for s, x in zip(settings, scores, strict=True)]
    found = importance(settings, scores)
    search_plots.draw_importance(found, tmp_path / "importance.png")
    search_plots.draw_parallel(rows, {"steps"}, "val_nll", tmp_path / "parallel.png")
    assert all((tmp_path / f"{n}.png").stat().st_size > 5000 for n in ("importance", "parallel"))
    heights, marks = search_plots._axis([None, 10, 1000, 100], log=True)
    assert heights == pytest.approx([0, 0.1, 1, 0.55])
    assert marks == {0.0: "None", 0.1: "10", 1.0: "1e+03"}
    heights, marks = search_plots._axis([None, 10, 10], log=False)
    assert heights == pytest.approx([0, 0.1, 0.1])
