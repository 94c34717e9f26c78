"""The sentiment task from files to answers: what is learnt, what is shown, what is served."""

from __future__ import annotations

import csv
import json
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

import pipelines
from pipelines.batches import Batches
from pipelines.cli import main
from pipelines.errors import UserError
from pipelines.sentiment.reviews import Review
from pipelines.sentiment.settings import SentimentSettings
from pipelines.sentiment.task import SentimentTask
from pipelines.text.vocabulary import FIRST, UNKNOWN

TEXTS = [
    Review("a:2", "A warm, lovely film", "good"),
    Review("a:3", "a dull film", "bad"),
    Review("a:4", "Lovely! Not dull.", "good"),
    Review("a:5", "not a film", "bad"),
]


def task(records=TEXTS, **settings):
    made = SentimentTask(SentimentSettings(units=3, embedding=4, **settings))
    made.learn(records)
    return made


# --- what is learnt ------------------------------------------------------------------------------


def test_the_vocabulary_is_of_the_training_part_alone():
    made = task(min_count=2)
    assert made.learnt["labels"] == ["bad", "good"]
    assert made.learnt["vocabulary"] == ["a", "film", "dull", "lovely", "not"]
    assert json.loads(json.dumps(made.learnt)) == made.learnt


def test_labels_that_are_numbers_stand_in_their_order():
    records = [Review(f"a:{k}", f"text {k}", str(k)) for k in (10, 9, 1)]
    assert task(records).learnt["labels"] == ["1", "9", "10"]


def test_elements_are_numbers_of_tokens_cut_at_the_limit(capsys):
    made = task(min_count=2, max_length=3)
    assert "--max-length 3 cuts" in capsys.readouterr().err
    numbers = [
        element["ids"].tolist() for element in Batches(made, TEXTS)._elements.as_numpy_iterator()
    ]
    place = {word: FIRST + k for k, word in enumerate(made.learnt["vocabulary"])}
    assert numbers[0] == [place["a"], UNKNOWN, UNKNOWN]
    assert numbers[1] == [place["a"], place["dull"], place["film"]]


def test_characters_are_tokens_too():
    made = task(tokens="char", min_count=1)
    assert " " in made.learnt["vocabulary"]
    element = made.prepare({"text": tf.constant("A?"), "label": tf.constant(0)})
    assert element["ids"].numpy().tolist() == [
        FIRST + made.learnt["vocabulary"].index("A"),
        UNKNOWN,
    ]


def test_unknown_words_are_trained_for():
    """Without it the unknown word keeps its random vector, and new words are noise."""
    made = task(word_dropout=0.5)
    element = {"ids": tf.range(2, 402), "label": tf.constant(0)}
    shares = []
    for seed in range(5):
        ids = made.augment(element, tf.constant([seed, 0]))["ids"].numpy()
        assert ((ids == UNKNOWN) | (ids == element["ids"].numpy())).all()
        shares.append((ids == UNKNOWN).mean())
    assert 0.4 < np.mean(shares) < 0.6


def test_class_weights_make_classes_count_alike():
    records = [*TEXTS, Review("a:6", "a film", "bad"), Review("a:7", "a lovely film", "bad")]
    made = task(records, class_weights=True)
    batch = {"ids": tf.ones((7, 2), tf.int32), "label": tf.constant([0, 0, 0, 0, 1, 1, 0])}
    _, labels, weight = made.example(batch, tf.constant([1, 1, 1, 1, 1, 1, 0]))
    totals = [weight.numpy()[labels.numpy() == k].sum() for k in range(2)]
    assert totals == pytest.approx([3, 3])
    assert weight.numpy()[6] == 0


def test_pretrained_vectors_start_the_embedding(tmp_path, capsys):
    path = tmp_path / "v.txt"
    path.write_text("lovely 1 2 3 4\nfilm 5 6 7 8\nunused 0 0 0 0\n")
    made = SentimentTask(SentimentSettings(units=3, vectors=str(path)))
    made.learn(TEXTS)
    vocabulary = made.learnt["vocabulary"]
    assert f"has 2 of {len(vocabulary)} tokens" in capsys.readouterr().err
    again = SentimentTask(made.settings, made.learnt)  # as when a run is taken up
    for each in (made, again):
        table = each.model().embedding.embeddings.numpy()
        assert table[FIRST + vocabulary.index("film")].tolist() == [5, 6, 7, 8]
    wrong = SentimentTask(SentimentSettings(vectors=str(path), embedding=5))
    with pytest.raises(UserError, match=r"v\.txt:1: expected vectors of 5 numbers\. Received: 4"):
        wrong.learn(TEXTS)


def test_scores_do_not_depend_on_the_batches():
    """Rows that fill a batch, and class weights, must not move the score of a model."""
    made = task(batch_size=3, class_weights=True)
    model = made.model()
    found = [made.scores(model, Batches(made, TEXTS).once(ends)) for ends in ([5], [3, 4, 40])]
    predicted = made.predict(model, TEXTS)
    right = np.mean([a["prediction"] == r.label for a, r in zip(predicted, TEXTS, strict=True)])
    assert found[0] == pytest.approx(found[1], abs=1e-5)
    assert found[0]["accuracy"] == right


# --- a run, from the command line to the server --------------------------------------------------


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    from tests import zoo

    folder = tmp_path_factory.mktemp("sentiment")
    source = zoo.TASKS["sentiment"].write(folder)
    settings = {"units": 6, "embedding": 8, "epochs": 8, "batch_size": 8, "learning_rate": 0.03}
    dropped = {"dropout": 0.0, "word_dropout": 0.1, "patience": 8}
    return pipelines.train("sentiment", source, run=folder / "run", **settings, **dropped)


def rnnkit(capsys, *words):
    status = main([str(word) for word in words])
    out, err = capsys.readouterr()
    return status, out, err


def test_it_learns_and_stands_beside_its_floors(run):
    found = run.metrics["valid"]
    assert found["metrics"]["accuracy"] > found["floors"]["majority"]["accuracy"]
    assert set(found["floors"]) == {"majority", "bag_of_words"}
    assert next(iter(found["metrics"])) == "accuracy"
    assert {path.name for path in (run.path / "plots").glob("*.png")} == {
        "learning_curve.png",
        "confusion.png",
        "reliability.png",
    }


def test_typed_texts_are_explained_by_their_words(run, capsys):
    text = "The film was  lovely — été!"
    (answer,) = run.answers([text])
    assert answer["prediction"] == "good"
    assert answer["probability_good"] == answer["confidence"]
    assert answer["probability_good"] + answer["probability_bad"] == pytest.approx(1, abs=1e-5)
    spans = answer["tokens"]
    assert [text[each["start"] : each["end"]] for each in spans] == [each["text"] for each in spans]
    assert max(spans, key=lambda each: each["influence"])["text"] == "lovely"
    status, out, _ = rnnkit(capsys, "predict", run.path, text)
    assert status == 0
    assert out.startswith(f"good {answer['confidence']:.3f}  The film was lovely — été!")
    with pytest.raises(UserError, match="expected a text"):
        list(run.answers([" "]))


def test_a_table_keeps_its_columns_and_gains_ours(run, tmp_path, capsys):
    source = tmp_path / "new.csv"
    source.write_text(
        'id,Review,prediction\n1,"lovely, warm",mine\n2,,mine\n3,dull,mine,more\n4,dull,mine\n'
    )
    scored = tmp_path / "scored.csv"
    status, _, err = rnnkit(capsys, "predict", run.path, "--input", source, "--output", scored)
    assert status == 0
    assert f"left out: {source}:4: expected 3 fields" in err
    with scored.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == [
        *("id", "Review", "prediction", "prediction_"),
        *("confidence", "probability_bad", "probability_good"),
    ]
    assert [row["id"] for row in rows] == ["1", "2", "4"]
    assert [row["prediction"] for row in rows] == ["mine"] * 3
    assert [row["prediction_"] for row in rows] == ["good", "", "bad"]


def test_a_page_of_html_holds_the_texts_as_text(run, tmp_path, capsys):
    page = tmp_path / "page.html"
    words = ("predict", run.path, "<script>lovely & warm</script>", "--output", page)
    assert rnnkit(capsys, *words)[0] == 0
    html = page.read_text("utf-8")
    assert "<script>" not in html
    assert ">lovely</span>" in html
    assert "&amp;" in html
    assert html.endswith("</body>\n</html>\n")


def test_texts_come_from_files_and_folders_too(run, tmp_path):
    (tmp_path / "lines.txt").write_text("a lovely film\n\na dull film\n")
    assert [a["prediction"] for a in run.answers(input=tmp_path / "lines.txt")] == ["good", "bad"]
    assert [a["name"] for a in run.answers(input=tmp_path)] == [str(tmp_path / "lines.txt")]
    (tmp_path / "a.pdf").write_text("x")
    with pytest.raises(UserError, match=r"Received: \.pdf"):
        list(run.answers(input=tmp_path / "a.pdf"))


def test_answers_come_as_a_stream(run, tmp_path):
    """A file of any size is read as its answers are written."""
    source = tmp_path / "many.jsonl"
    lines = "".join(f'{{"text": "a dull film {k}"}}\n' for k in range(300))
    source.write_bytes(lines.encode() + b'{"text": "\xff"}\n')
    answers = run.answers(input=source)
    assert next(answers)["prediction"] == "bad"  # the broken end has not been read
    with pytest.raises(UserError, match=r"many\.jsonl:301: expected UTF-8"):
        list(answers)


def test_the_export_takes_texts_and_answers_as_the_run_does(run, tmp_path):
    """In a process that has TensorFlow alone, the client example included."""
    folder = run.export(root=tmp_path)
    texts = ["the room was lovely", "THE FILM WAS DULL", "", "好看 été"]
    done = subprocess.run(
        [sys.executable, "-I", folder / "client.py", folder, *texts],
        capture_output=True,
        text=True,
        check=True,
    )
    lines = done.stdout.splitlines()
    for text, (head, *each) in zip(texts, zip(*[iter(lines)] * 3, strict=True), strict=True):
        records = [Review("x", text or "\u3000")]  # an empty text is one unknown word
        (expected,) = run.predict(records)
        label, probability = head.split()[:2]
        assert label == expected["prediction"]
        assert float(probability) == pytest.approx(expected["confidence"], abs=1e-3)
        for line in each:
            name, value = line.split()
            assert float(value) == pytest.approx(expected[f"probability_{name}"], abs=1e-3)
    assert json.loads((folder / "signature.json").read_text())["labels"] == ["bad", "good"]
