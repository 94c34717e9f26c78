"""What is seen of an answer, and what is said to have moved it."""

from __future__ import annotations

import math

import numpy as np
import pytest

pytest.importorskip("gradio", reason="the extra demo is not installed")

from pipelines.demo import growing
from pipelines.demo.answers import answered, moved, parts
from pipelines.demo.asking import Asked
from pipelines.demo.fields import JsonField, Mistake, NumberField
from pipelines.demo.influence import influences, information, pieces, sequences
from pipelines.music.grid import to_notes
from pipelines.server.limits import Limits


@pytest.mark.parametrize(
    ("answer", "labels", "seen"),
    [
        (
            {"label": "y", "labels": ["x", "y"], "probabilities": [0.2, 0.8], "probability": 0.8},
            None,
            {"labels": {"x": 0.2, "y": 0.8}},
        ),
        (
            {"probabilities": [0.2, 0.8], "valid": False},
            ["x", "y"],
            {"labels": {"x": 0.2, "y": 0.8}, "rest": {"valid": False}},
        ),
        (
            {
                "tokens": ["Ada", "King", "Tom", "went", ""],
                "tags": ["B-PER", "I-PER", "B-PER", "O", ""],
                "start": [],
            },
            ["O"],
            {"tokens": [("Ada King ", "PER"), ("Tom ", "PER"), ("went ", None)]},
        ),
        ({"text": "grown", "valid": True}, None, {"text": "grown"}),
        ({"answer": [1, 2]}, None, {"rest": {"answer": [1, 2]}}),
    ],
)
def test_each_output_takes_the_form_that_tells_most(answer, labels, seen):
    assert parts(answer, labels) == seen


def test_probabilities_over_time_are_curves():
    rows = [[0.9, 0.1], [0.3, 0.7]]
    by_frame = parts({"labels": ["x", "y"], "probabilities": rows, "label": ["x", "y"]}, None)
    beside = parts({"labels": ["x", "y"], "probabilities": [0, 1], "over_time": rows}, None)
    assert by_frame.keys() == {"curves"}
    assert beside.keys() == {"labels", "curves"}
    table = by_frame["curves"].pivot(index="step", columns="label", values="probability")
    np.testing.assert_array_equal(table[["x", "y"]], rows)


def test_translations_come_best_first():
    seen = parts({"translations": ["a", "b", ""], "scores": [-1.0, -2.0, -9.0]}, None)
    assert seen["text"] == "a"
    assert seen["table"].to_numpy().tolist() == [["a", -1.0], ["b", -2.0]]


def test_a_text_is_read_as_fasta_where_it_is_one():
    assert sequences(">a b\r\nACG\r\nTT\r\n>c\r\nGG") == [("a b", "ACGTT"), ("c", "GG")]
    for text in ("a > b", "> I loved it\nlovely lovely", ">"):
        assert sequences(text) == [("", text)]


def test_words_are_left_out_and_letters_are_hidden():
    assert [rest for _, rest in pieces("to be")] == [" be", None, "to "]
    assert pieces("ACGTACGT")[1] == ("C", "ANGTACGT")


def test_information_is_that_of_the_letters_at_a_place():
    table = information(["AC", "AG", "AT", "AA"])
    np.testing.assert_allclose(table.loc[0, "A"], math.log2(4))
    np.testing.assert_allclose(table.loc[1].sum(), 0, atol=1e-9)


def test_influence_is_what_the_log_odds_lose(models):
    """Against the rule of the toy model: +1 a letter of "lovely", -0.5 a letter of "dull"."""
    asked = Asked(models.find("verdict"), Limits())
    text = "lovely dull film"
    (answer,) = asked.answers([{"text": text}])
    found = dict(influences(asked, "text", text, answer["probabilities"]))
    assert found["lovely"] == pytest.approx(6, abs=1e-4)
    assert found["dull"] == pytest.approx(-2, abs=1e-4)
    assert found["film"] == found[" "] == 0
    assert dict(moved(list(found.items()), "")["words"])["dull"] == pytest.approx(-1 / 3, abs=1e-4)


def test_several_sequences_are_a_table_and_a_logo(models):
    entries = [("one", "GGTATAGG"), ("two", "CCTCTACC")]
    answers = Asked(models.find("promoter"), Limits()).answers(
        [{"sequence": s} for _, s in entries]
    )
    seen = answered(entries, answers, None)
    assert seen["table"].to_numpy().tolist() == [["one", "good", 0.9], ["two", "bad", 0.9]]
    assert len(seen["information"].axes) == 1
    answers[1]["valid"] = False  # what a model could not read is not told as if it could
    assert answered(entries, answers, None)["table"]["valid"].tolist() == [True, False]


def test_a_roll_is_drawn_as_far_as_it_is_heard():
    roll = np.zeros((4, 88), np.uint8)
    roll[:, 40] = [2, 1, 0, 2]
    whole, half = growing.picture(roll), growing.picture(roll, heard=2)
    assert whole.shape == half.shape
    assert (half[:, : half.shape[1] // 2] == whole[:, : whole.shape[1] // 2]).all()
    assert (half[:, half.shape[1] // 2 :] == 255).all()
    assert not (whole[:, -1] == 255).all()
    rate, samples = growing.sound(roll)
    assert len(samples) / rate == pytest.approx(len(roll) * growing.STEP, abs=0.2)
    assert len(to_notes(roll, 1)) == 2


def test_what_a_model_draws_follows_what_is_given(models):
    steps = Asked(models.find("story"), Limits()).steps("Once ", 1, 1.0)
    *_, text = growing.writing(steps, 8)
    assert text == "Once fgh"


@pytest.mark.parametrize(("field", "held"), [(NumberField, None), (JsonField, "[1, <b>")])
def test_a_wrong_value_is_a_mistake_and_never_markup(field, held):
    import gradio

    with gradio.Blocks():
        made = field("x", {"dtype": "int32", "shape": [None]}, 1)
    with pytest.raises(Mistake) as told:
        made.value(held)
    assert told.value.message.startswith("x: ")
    assert "<" not in told.value.message
