"""The task end to end on a few sentences: read, trained, scored, predicted, exported."""

import logging

import keras
import numpy as np
import pytest
import tensorflow as tf

import pipelines
from pipelines.batches import Batches
from pipelines.errors import UserError
from pipelines.ner.inputs import read
from pipelines.ner.metrics import entity_scores
from pipelines.ner.sentences import Sentence
from pipelines.ner.settings import NerSettings
from pipelines.ner.tagging import cut
from pipelines.ner.task import NerTask
from pipelines.sources import split
from tests import zoo

TINY = zoo.TASKS["ner"].settings


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("ner")


@pytest.fixture(scope="module")
def run(folder):
    """Enough epochs to learn a dozen names by heart."""
    source = zoo.TASKS["ner"].write(folder)
    quiet = keras.callbacks.Callback()
    settings = {**TINY, "units": 16, "epochs": 12, "learning_rate": 0.02, "dropout": 0.0}
    return pipelines.train("ner", source, run=folder / "run", progress=quiet, **settings)


def sentences(run) -> list[Sentence]:
    return run.data().parts["test"]


def test_it_learns(run):
    """Better than the tag that each word had most often, on sentences that it never saw."""
    assert run.metrics["test"]["metrics"]["f1_strict"] > 0.5
    first = (run.path / "metrics.csv").read_text().splitlines()[0]
    assert "val_f1_strict" in first
    assert "val_error" in first


def test_evaluate_counts_what_predict_says(run):
    """Scores over padded batches are those of the answers, one by one."""
    records = sentences(run)
    answers = run.predict(records)
    pairs = [(record.tags, answer["tags"]) for record, answer in zip(records, answers, strict=True)]
    found = run.evaluate()["metrics"]
    expected = entity_scores(pairs, "iob2")
    assert found["f1_lenient"] == pytest.approx(expected["f1_lenient"])
    assert found["f1_strict"] == pytest.approx(expected["f1_lenient"])
    assert (run.path / "plots" / "entities.png").exists()


def test_a_type_that_was_not_learnt_counts_as_missed(run, folder):
    """`evaluate --data` with types of another data set must not leave them out of the recall."""
    path = folder / "other.conll"
    path.write_text("Ada\tB-ALIEN\nKeller\tI-ALIEN\nwent\tO\n")
    metrics = run.evaluate(path)["metrics"]
    assert metrics["recall_strict"] == 0
    assert metrics["f1_strict_not in training"] == 0


def test_offsets_are_code_points_of_the_text(run):
    """Behind an emoji, bytes or UTF-16 units would point elsewhere."""
    text = "😀😀 e\u0301t\u00e9: Ada Keller went to Paris today."
    (answer,) = run.predict(run.task.typed([text]))
    assert answer["entities"], "nothing found to check"
    for entity in answer["entities"]:
        assert text[entity["start"] : entity["end"]] == entity["text"]
        assert 0 < entity["probability"] <= 1
    assert [text[s:e] for s, e in next(cut([text])).spans] == answer["tokens"]


def test_answers_do_not_depend_on_the_sentences_beside(run):
    texts = ["Ada Keller went to Paris today.", "", "a " * 300, "Tom slept."]
    together = run.predict(run.task.typed(texts))
    for text, answer in zip(texts, together, strict=True):
        (alone,) = run.predict(run.task.typed([text]))
        assert alone == answer | {"entities": alone["entities"]}
    assert together[1] == {"text": "", "entities": [], "tokens": [], "tags": []}


def test_the_export_answers_as_the_run_does(run, folder):
    """Strings in, tags out; that this needs none of our code the export has checked itself."""
    texts = ["Ada Keller went to Paris today.", "😀 Tom met Ada in Rome!", ""]
    expected = run.predict(run.task.typed(texts))
    place = run.export(root=folder / "served")
    model = tf.saved_model.load(place)
    answer = model.signatures["serving_default"](sentence=tf.constant(texts))
    of_tokens = model.signatures["tokens"](tokens=answer["tokens"])
    for row, told in enumerate(expected):
        count = len(told["tokens"])
        decoded = [tag.decode() for tag in answer["tags"].numpy()[row]]
        assert decoded[:count] == told["tags"]
        assert not any(decoded[count:])
        ends = answer["end"].numpy()[row, :count].tolist()
        assert ends == [end for _, end in next(cut([texts[row]])).spans]
    np.testing.assert_array_equal(of_tokens["tags"], answer["tags"])


def test_predict_writes_columns_and_marks_entities(run, folder, capsys):
    """Their columns stay and ours is the last, in the order and number of their lines."""
    source, out = folder / "new.conll", folder / "out.conll"
    source.write_text("Ada\tx\nKeller\ty\n\nslept\tz\n")
    run.task.writers[".conll"](run.answers(input=source), out)
    lines = [line.split("\t") for line in out.read_text().splitlines()]
    assert [line[:-1] for line in lines] == [["Ada", "x"], ["Keller", "y"], [], ["slept", "z"], []]
    shown = [item.plain for item in run.task.show(run.answers(["Ada Keller went to Paris today."]))]
    assert "PER]" in shown[0]
    assert "0-10" in shown[1]


# --- without training ----------------------------------------------------------------------------


def test_inputs_are_told_apart(tmp_path):
    """Text a line a sentence, columns by name or by what they look like, tokens alone if said."""

    def tokens(name, content, columns=False):
        (tmp_path / name).write_text(content)
        return [sentence.tokens for sentence in read(str(tmp_path / name), columns)]

    assert tokens("a.txt", "Ada slept.\n\nShe woke.\n") == [
        ("Ada", "slept", "."),
        ("She", "woke", "."),
    ]
    tagged = "# comment\nAda B-PER\nslept O\n\nhere O\n"
    assert tokens("b.txt", tagged) == tokens("b.conll", tagged) == [("Ada", "slept"), ("here",)]
    assert tokens("c.txt", "Ada\nslept\n\nhere\n", columns=True) == [("Ada", "slept"), ("here",)]
    with pytest.raises(UserError, match=r"d\.txt: expected sentences\. Received: an empty file"):
        tokens("d.txt", "\n")
    with pytest.raises(UserError, match="no such file"):
        [*read(str(tmp_path / "none.txt"), False)]


def task_of(sentences, **settings):
    task = NerTask(NerSettings(**settings))
    task.learn(sentences)
    return task


def tagged(name, text, tags):
    return Sentence(name, tuple(text.split()), tuple(tags.split()))


def test_the_floor_is_the_most_frequent_tag_of_a_word():
    train = [
        tagged("f:1", "Paris sleeps in Paris", "S-LOC O O S-LOC"),
        tagged("f:2", "Paris runs", "S-PER O"),
        tagged("f:3", "New York", "B-LOC E-LOC"),
    ]
    task = task_of(train)
    records = [tagged("g:1", "Paris met York", "S-LOC O S-ORG")]
    reached = task.floors(task.fit_floors(train), records)["most_frequent_tag"]
    assert reached["precision_lenient"] == 0.5  # York is read as an entity
    assert reached["precision_strict"] == 1.0  # E without B is none
    assert reached["recall_strict"] == 0.5


def test_types_of_other_files_are_refused_and_those_of_a_split_are_told(capsys):
    task = NerTask(NerSettings())
    train = [tagged("a.conll:1", "Ada", "S-PER")]
    other = [tagged("b.conll:3", "Oslo", "S-LOC")]
    with pytest.raises(UserError, match=r"b\.conll:3: expected the types of the training part"):
        task.check_parts({"train": train, "valid": [], "test": other})
    task.check_parts({"train": train, "valid": [tagged("a.conll:9", "Oslo", "S-LOC")], "test": []})
    assert "LOC is in the valid part alone" in capsys.readouterr().err
    with pytest.raises(UserError, match="expected entities in the training part"):
        task.check_parts({"train": [tagged("a:1", "rain", "O")], "valid": [], "test": []})


def test_vectors_are_counted_and_start_the_words(tmp_path, capsys):
    """A word that occurs once keeps the vector it has in the file; the others are drawn."""
    path = tmp_path / "vectors.txt"
    path.write_text("ada 1 2\nrome 3 4\noslo 5 6\n")
    train = [tagged("a:1", "Ada ada saw saw Oslo once", "S-PER O O O S-LOC O")]
    task = task_of(train, vectors=str(path))
    assert "has 2 of the 4 words of the training part (50.0%)" in capsys.readouterr().err
    assert task.learnt["words"] == ["ada", "saw", "oslo"]
    table = task.model().get_layer("word_vectors").get_weights()[0]
    assert table[[2, 4]].tolist() == [[1, 2], [5, 6]]
    assert 0 < np.abs(table[[0, 1, 3]]).max() < 1
    with pytest.raises(UserError, match=r"vectors\.txt:1: expected vectors of 100 numbers"):
        task_of(train, vectors=str(path), embedding=100)


def test_labels_of_any_kind_are_scored_and_predicted():
    """`--scheme none`: no entities, and accuracy leads."""
    records = [tagged(f"a:{k}", f"Name{k} walks .", "1 0 0") for k in range(9)]
    task = task_of(records, scheme="none", units=2, character_units=2, batch_size=4)
    model = task.model()
    scores = task.scores(model, Batches(task, records).once([4]))
    assert list(scores)[:2] == ["accuracy", "f1_macro"]
    answers = task.predict(model, records)
    right = [tag == true for a in answers for tag, true in zip(a["tags"], "100", strict=True)]
    assert scores["accuracy"] == pytest.approx(np.mean(right))
    assert "entities" not in answers[0]


def test_a_data_set_of_tfds(tmp_path, monkeypatch):
    """Parts by split, the feature of the tags by name."""
    import tensorflow_datasets as tfds

    logging.getLogger("absl").setLevel(logging.ERROR)
    labels = tfds.features.ClassLabel(names=["O", "B-PER", "I-PER"])
    tfds.dataset_builders.store_as_tfds_dataset(
        name="tiny_entities",
        version="1.0.0",
        data_dir=tmp_path,
        features=tfds.features.FeaturesDict(
            {
                "tokens": tfds.features.Sequence(tfds.features.Text()),
                "ner": tfds.features.Sequence(labels),
                "pos": tfds.features.Sequence(tfds.features.ClassLabel(names=["N", "V"])),
            }
        ),
        split_datasets={
            split: tf.data.Dataset.from_tensors(
                {
                    "tokens": tf.constant([name, "Keller", "slept"]),
                    "ner": tf.constant([1, 2, 0], tf.int64),
                    "pos": tf.constant([0, 0, 1], tf.int64),
                }
            )
            for split, name in (("train", "Ada"), ("validation", "Eva"), ("test", "Zoë"))
        },
    )
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    monkeypatch.setattr(tfds.core.constants, "DATA_DIR", str(tmp_path), raising=False)
    reading = NerTask(NerSettings()).read("tfds:tiny_entities")
    assert {part: s[0].tokens[0] for part, s in reading.parts.items()} == {
        "train": "Ada",
        "valid": "Eva",
        "test": "Zoë",
    }
    assert reading.parts["train"][0].tags == ("B-PER", "E-PER", "O")
    speech = NerTask(NerSettings(scheme="none", tag_column="pos")).read("tfds:tiny_entities")
    assert speech.parts["train"][0].tags == ("N", "N", "V")
    with pytest.raises(UserError, match="a sequence of class labels"):
        NerTask(NerSettings(tag_column="chunks")).read("tfds:tiny_entities")


def test_the_same_sentence_never_stands_on_two_sides():
    records = [tagged(f"a:{k}", f"Ada saw {k % 20}", "S-PER O O") for k in range(60)]
    parts = split({"train": records}, "data")
    groups = [{record.group for record in part} for part in parts.values()]
    assert not groups[0] & (groups[1] | groups[2])
