"""The character model end to end: trained, stopped, resumed, scored, continued, exported."""

from __future__ import annotations

import math
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

import pipelines
from pipelines.charlm.sampling import continue_texts
from pipelines.cli import main
from pipelines.errors import UserError
from pipelines.task import GenerateRequest
from tests.pipelines.states import state

SETTINGS = {"units": 8, "embedding": 6, "window": 16, "batch_size": 4, "dropout": 0.2}
SILENT = keras.callbacks.Callback()


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("text") / "numbers.txt"
    path.write_text("".join(f"{k} times {k} is {k * k}.\n" for k in range(60)))
    return path


def train(source: Path, folder: Path, **settings) -> pipelines.run.Run:
    settings = {**SETTINGS, **settings}
    return pipelines.train("charlm", source, run=folder, progress=SILENT, **settings)


@pytest.fixture(scope="module")
def run(source, tmp_path_factory) -> pipelines.run.Run:
    return train(source, tmp_path_factory.mktemp("run") / "whole", epochs=2)


def test_a_run_that_was_stopped_between_epochs_is_the_same(source, run, tmp_path):
    """The carried state is nothing that a checkpoint could lose."""
    train(source, tmp_path / "run", epochs=1)
    train(source, tmp_path / "run", epochs=2)
    parted, whole = state(tmp_path / "run"), state(run.path)
    assert {key: parted[key] for key in ("last", "best", "rows")} == {
        key: whole[key] for key in ("last", "best", "rows")
    }


def test_scores_do_not_depend_on_the_batch(run, source):
    """A part is one stream, whatever the number of rows in which it is handed over."""
    answer = run.evaluate(part="valid")["metrics"]
    task = type(run.task)(type(run.settings)(**{**run.settings.to_dict(), "batch_size": 9}))
    task.learnt = run.task.learnt
    from pipelines.evaluation import score

    other = score(task, run.model, run.fitted_floors, run.data().parts["valid"], [16])
    assert other["metrics"] == answer
    assert answer["bits_per_char"] == pytest.approx(answer["nll"] / math.log(2))
    predicted = run.predict(run.data().parts["valid"])[0]
    assert predicted["nll"] == answer["nll"]
    assert np.mean(predicted["surprise"]) == pytest.approx(answer["nll"], abs=1e-3)


def test_unknown_characters_have_a_price_and_are_counted(run):
    """A text of another alphabet gets a score, not an error, and it is a bad one."""
    known, unknown = run.answers(["7 times", "7 täglich"])
    assert (known["unknown"], unknown["unknown"]) == (0, 5)  # ä g l c h
    assert unknown["nll"] > known["nll"]


@pytest.mark.parametrize(
    ("kept", "words"),
    [(slice(1, None), r"Received: \d+\."), (slice(None, None, -1), "not the same")],
)
def test_a_vocabulary_that_does_not_fit_is_told(run, tmp_path, kept, words):
    """A run whose config.json was exchanged would read and write other characters than it learnt,
    and score them as if nothing were."""
    other = type(run.task)(run.settings, {"characters": run.task.learnt["characters"][kept]})
    text = run.data().parts["valid"]
    for use in (
        lambda: other.scores(run.model, None),
        lambda: other.predict(run.model, text),
        lambda: other.answers(run.model, ["7 times"], None, None),
        lambda: other.generate(run.model, GenerateRequest(length=3)),
        lambda: other.plots(run.model, text, str(tmp_path)),
        lambda: other.served(run.model),
    ):
        with pytest.raises(UserError, match=f"vocabulary of the run does not fit .*{words}"):
            use()


def texts_of(run, primers, lengths, temperatures, seeds):
    return [
        run.generate(primer=p, length=n, temperature=t, seed=s)[0].characters
        for p, n, t, s in zip(primers, lengths, temperatures, seeds, strict=True)
    ]


def test_the_export_writes_what_the_run_writes(run, tmp_path):
    """Bit for bit the same samples from the run, from SavedModel row by row, and from a stream that
    holds its state; the export itself compares with a process that has TensorFlow alone."""
    model = tf.saved_model.load(str(run.export(root=tmp_path)))
    primers, lengths = ["7 times ", "", "1"], [30, 12, 25]
    temperatures, seeds = [0.7, 1.0, 0.0], [3, 1, 2]
    wanted = texts_of(run, primers, lengths, temperatures, seeds)

    def ask(rows, lengths=lengths) -> list[str]:
        answer = model.signatures["serving_default"](
            primer=tf.constant([primers[k] for k in rows]),
            length=tf.constant([lengths[k] for k in rows]),
            temperature=tf.constant([temperatures[k] for k in rows]),
            seed=tf.constant([seeds[k] for k in rows]),
        )
        return [text.decode() for text in answer["text"].numpy()]

    assert ask([0, 1, 2]) == wanted
    assert [ask([k])[0] for k in range(3)] == wanted
    assert [len(text) for text in wanted] == lengths
    assert ask([0, 1, 2], lengths=[-1, 0, 0]) == primers  # nothing is asked for
    seed, text, x = tf.constant(seeds[:1]), primers[0], ""
    held = model.signatures["stream_init"](seed=seed)
    for step in range(lengths[0]):
        held = model.signatures["stream"](
            x=tf.constant([x]),
            seed=seed,
            step=tf.constant([step]),
            temperature=tf.constant(temperatures[:1]),
            **held,
        )
        drawn = held.pop("y").numpy()[0].decode()
        text += drawn if step >= len(primers[0]) else ""
        x = text[step]
    assert text == wanted[0]


def test_a_batch_of_texts_is_as_many_single_ones(run):
    """Neighbours have no say; the unknown character is never drawn; 0 takes the likeliest."""
    model, count = run.model, 6
    seeds = tf.range(count)
    warmth = tf.constant([0.0, 0.5, 1.0, 3.0, 30.0, 1e6])

    def draw(rows) -> np.ndarray:
        given = tf.ones((len(rows), 2), tf.int32)
        lengths = tf.constant([2, 0, 1, 2, 0, 0])
        return continue_texts(
            model,
            given,
            tf.gather(lengths, rows),
            tf.constant(20),
            tf.gather(seeds, rows),
            tf.gather(warmth, rows),
        ).numpy()

    together = draw(list(range(count)))
    for row in range(count):
        np.testing.assert_array_equal(together[row], draw([row])[0])
    assert (together > 0).all()
    states, ids, greedy = model.initial_states(1), [0], []
    for t in range(20):
        logits, states = model.advance(tf.constant(ids), states)
        ids = [1] if t < 2 else [int(np.argmax(logits[0, 1:])) + 1]
        greedy += ids
    assert together[0].tolist() == greedy


REFUSED = {
    "temperature": ({"temperature": -1.0}, "--temperature must be 0"),
    "unseen": ({"primer": "7 tägliß"}, r"--primer: .* 'ß' \(U\+00DF\), 'ä' \(U\+00E4\)\. Leave"),
    "length": ({"length": 0}, "--length must be"),
    "short": ({"primer": "7 times", "length": 3}, "--length counts the primer too, which has 7"),
    "melody": ({"melody": "song.mid"}, "--melody is for music"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_request_that_cannot_be_met_is_told(run, case):
    request, words = REFUSED[case]
    with pytest.raises(UserError, match=words):
        run.generate(**request)


def test_samples_are_shown_while_it_learns_and_change_nothing(source, run, tmp_path, capsys):
    """The lectures' view of learning, which begins at 25 ln V."""
    train(source, tmp_path / "run", epochs=1, sample_every=9)
    symbols = len(run.task.learnt["characters"]) + 1
    headings = [line for line in capsys.readouterr().err.splitlines() if "update" in line]
    start = 25 * math.log(symbols)
    assert headings[0].startswith("update 1: 25 characters cost ")
    assert float(headings[0].split()[5]) == pytest.approx(start, rel=0.02)
    assert f"25 ln {symbols} = {start:.2f}" in headings[0]
    assert headings[1].startswith("update 9: ")
    train(source, tmp_path / "run", epochs=1)  # the same training, whatever it shows
    first = pipelines.load_run(tmp_path / "run").history[0]
    assert {**first, "seconds": 0} == {**run.history[0], "seconds": 0}


def test_the_command_line(run, source, tmp_path, capsys):
    """Scores with a picture, texts from a primer in a file, surprise as picture and colours."""
    run_folder = str(run.path)
    assert main(["evaluate", run_folder, "--data", str(source), "--plots", str(tmp_path)]) == 0
    assert (tmp_path / "surprise.png").stat().st_size > 10_000
    primer = tmp_path / "primer.txt"
    primer.write_text("12 times")
    out = tmp_path / "new" / "text"
    capsys.readouterr()
    words = ["generate", run_folder, "--primer", str(primer), "--length", "40", "--out", str(out)]
    assert main([*words, "--count", "2"]) == 0
    printed = capsys.readouterr().out
    for k in (1, 2):
        made = out.with_name(f"text-{k}.txt").read_text()
        assert made.startswith("12 times")
        assert len(made) == 40
        assert made in printed
        assert str(out.with_name(f"text-{k}.txt")) in printed
    assert main(["predict", run_folder, "7 times [bold]"]) == 0
    assert "7 times [bold]" in capsys.readouterr().out.replace("\n", "")
    picture = tmp_path / "surprise-of-one.png"
    assert main(["predict", run_folder, "7 times", "--output", str(picture)]) == 0
    assert picture.stat().st_size > 5_000
    assert main(["predict", run_folder, ""]) == 2
