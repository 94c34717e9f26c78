"""The translation task end to end: teacher forcing, search, scores, answers, export."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from dataclasses import replace
from types import SimpleNamespace

import keras
import numpy as np
import pytest
import tensorflow as tf

from pipelines import evaluation, training
from pipelines.batches import Batches
from pipelines.errors import UserError
from pipelines.translation import scores
from pipelines.translation.language import END, NEVER_WRITTEN, START
from pipelines.translation.pairs import Pair
from pipelines.translation.searching import GROWTH, LENGTH_PENALTY, ROOM, search, searcher
from pipelines.translation.settings import TranslationOptions, TranslationSettings
from pipelines.translation.task import TranslationTask

WORDS = {"a": "un", "green": "vert", "red": "rouge", "bird": "oiseau", "tree": "arbre"}
TEXTS = ["a red bird", "tree", "green tree a bird red", "a"]


def translated(text):
    return " ".join(WORDS[word] for word in text.split())


def some_pairs(count=40, seed=0):
    draw = np.random.default_rng(seed)
    texts = [" ".join(draw.choice(list(WORDS), draw.integers(1, 6))) for _ in range(count)]
    return [Pair(f"p:{k}", text, translated(text)) for k, text in enumerate(texts, 1)]


def make(**settings):
    keras.utils.set_random_seed(1)
    small = {"units": 8, "embedding": 6, "vocabulary": 60, "beam": 3, "batch_size": 4}
    task = TranslationTask(TranslationSettings(**{**small, **settings}))
    task.learn(some_pairs())
    model = task.model()
    for weight in model.trainable_weights:  # far from uniform, so that searches have to choose
        weight.assign(weight * 2)
    return task, model


@pytest.fixture(scope="module")
def both():
    return make()


def padded(task, texts, to=0):
    found = task.source.numbers(tf.constant(texts)).to_tensor()
    return tf.pad(found, [[0, 0], [0, max(to - found.shape[1], 0)]])


def forced(model, source, tokens):
    """log p of each of the tokens (batch, T), by teacher forcing."""
    before = np.concatenate([np.full((len(tokens), 1), START), tokens[:, :-1]], axis=1)
    logits = model({"source": source, "before": before}).numpy().astype("float64")
    logits[..., list(NEVER_WRITTEN)] = -np.inf
    top = logits.max(-1, keepdims=True)
    log_p = logits - top - np.log(np.exp(logits - top).sum(-1, keepdims=True))
    return np.take_along_axis(log_p, tokens[..., None], -1)[..., 0], logits.argmax(-1)


def written(tokens, source):
    """Which tokens (batch, T) count: those up to the end, that one too, as far as a translation may
    go."""
    limit = GROWTH * np.count_nonzero(source, axis=1)[:, None] + ROOM
    return (np.cumsum(tokens == END, axis=1) - (tokens == END) == 0) & (
        np.arange(tokens.shape[1]) < limit
    )


def any_length(model, source, beam, n_best):
    """The search as it is served: for sources of any number and length."""
    key = (id(model), beam, n_best)
    if key not in GRAPHS:
        spec = tf.TensorSpec((None, None), tf.int32)
        GRAPHS[key] = searcher(model, beam, n_best).get_concrete_function(spec)
    return {name: value.numpy() for name, value in GRAPHS[key](source).items()}


GRAPHS: dict = {}


@pytest.mark.parametrize(
    "settings",
    [{}, {"attention": "none", "cell": "lstm"}, {"attention": "luong", "layers": 2, "cell": "mgu"}],
    ids=str,
)
def test_scores_of_the_search_are_those_of_teacher_forcing(settings):
    """Training and translating are the same model: the search's sums are what teacher forcing
    gives the sentence it found; sorted, and no two hypotheses the same."""
    task, model = make(**settings)
    source = padded(task, TEXTS)
    found = any_length(model, source, 4, 4)
    for k in range(4):
        tokens = found["tokens"][:, k]
        counts = written(tokens, source)
        log_p = (forced(model, source, tokens)[0] * counts).sum(1)
        np.testing.assert_allclose(found["log_probabilities"][:, k], log_p, atol=3e-4)
        penalty = ((5 + counts.sum(1)) / 6) ** LENGTH_PENALTY
        np.testing.assert_allclose(found["scores"][:, k], log_p / penalty, atol=3e-4)
    assert (np.diff(found["scores"], axis=1) <= 0).all()
    for row in found["tokens"]:
        assert len({tuple(tokens) for tokens in row}) == 4


def test_teacher_forcing_on_what_it_wrote_reproduces_it(both):
    task, model = both
    source = padded(task, TEXTS)
    tokens = any_length(model, source, 1, 1)["tokens"][:, 0]
    likeliest, counts = forced(model, source, tokens)[1], written(tokens, source)
    np.testing.assert_array_equal(likeliest[counts], tokens[counts])


def test_a_row_depends_neither_on_padding_nor_on_neighbours(both):
    """A client's sentence gets one translation, whatever else is in the batch."""
    task, model = both
    together = any_length(model, padded(task, TEXTS, to=11), 4, 4)
    for k, text in enumerate(TEXTS):
        source = padded(task, [text])
        alone = any_length(model, source, 4, 4)
        size = alone["tokens"].shape[-1]
        np.testing.assert_array_equal(
            alone["tokens"][0], together["tokens"][k, :, :size], err_msg=text
        )
        np.testing.assert_allclose(alone["scores"][0], together["scores"][k], atol=1e-4)


def test_logits_agree_between_eager_graph_and_xla(both):
    task, model = both
    source, target = padded(task, TEXTS), tf.constant([[START, 5, 6]] * 4)
    call = lambda: model({"source": source, "before": target})
    eager = call()
    for compiled in (False, True):
        graph = tf.function(call, jit_compile=compiled, autograph=False)()
        np.testing.assert_allclose(graph, eager, atol=1e-5)


def test_alignments_are_zero_on_padding_and_sum_to_one(both):
    task, model = both
    source = padded(task, TEXTS)
    weights = model.alignments(source, tf.constant([[START, 5, 6]] * 4)).numpy()
    assert weights.shape == (4, 3, source.shape[1])
    np.testing.assert_allclose(weights.sum(-1), 1, atol=1e-5)
    assert not weights[np.repeat((source == 0).numpy()[:, None], 3, 1)].any()


def test_an_example_is_shifted_and_weighs_no_padding(both):
    task, _ = both
    pairs = some_pairs(3)
    (inputs, target, weight), *_ = Batches(task, pairs).once([12])
    order = np.argsort([task._pairs[key].name for key in inputs["pair"].numpy()[:3]])
    numbers = task.target.numbers(tf.constant([pair.target for pair in pairs])).to_list()
    for k, row in zip(order, numbers, strict=True):
        assert target[k, : len(row)].numpy().tolist() == row
        assert inputs["before"][k, : len(row)].numpy().tolist() == [START, *row[:-1]]
        assert weight[k].numpy().sum() == len(row)
    assert weight[3].numpy().sum() == 0  # it only fills the batch
    assert weight.shape == target.shape == (4, 12)


def test_scores_are_those_of_the_raw_texts(both):
    """References count as they were written, not as the vocabulary knows them; and every pair
    counts once, duplicates too."""
    task, model = both
    pairs = [*some_pairs(7), Pair("u", "a bird", "ⵣ unknown!"), *some_pairs(2)]
    reached = task.scores(model, Batches(task, pairs).once([6, 12]))
    answers = [answer["translation"] for answer in task.predict(model, pairs)]
    expected = scores.text_scores(answers, [pair.target for pair in pairs], "13a")
    for name, value in expected.items():
        assert reached[name] == pytest.approx(value), name
    cost, count = 0.0, 0
    for pair in pairs:
        numbers = task.target.numbers(tf.constant([pair.target])).to_tensor().numpy()
        before = np.concatenate([[[START]], numbers[:, :-1]], axis=1)
        logits = model({"source": padded(task, [pair.source]), "before": before})
        cost += float(tf.reduce_sum(scores.nats(tf.constant(numbers), logits)))
        count += numbers.size
    assert reached["perplexity"] == pytest.approx(math.exp(cost / count), rel=1e-4)


def test_signatures_stand_beside_the_scores(both):
    """A BLEU without its signature cannot be compared with anybody's."""
    task, model = both
    pairs = some_pairs(3)
    answer = evaluation.score(task, model, task.fit_floors(pairs), pairs, [12])
    assert list(answer) == ["metrics", "floors", "signatures"]
    assert "|tok:13a|" in answer["signatures"]["bleu"]
    assert "|nc:6|" in answer["signatures"]["chrf"]


def test_floors_are_scored_as_the_model_is(both):
    task, _ = both
    train, test = some_pairs(30), some_pairs(9, seed=3)
    reached = task.floors(task.fit_floors(train), [*test, Pair("s", "un", "un")])
    assert set(reached) == {"copy", "memory"}
    assert reached["copy"]["exact_match"] == pytest.approx(0.1)
    assert 0 < reached["memory"]["bleu"] <= 100


def test_it_learns_to_translate_words():
    """The whole chain learns: texts, numbers, attention, loss, search, texts."""
    settings = {"units": 32, "embedding": 16, "batch_size": 16, "dropout": 0.0}
    keras.utils.set_random_seed(0)
    task = TranslationTask(TranslationSettings(**settings, vocabulary=60))
    pairs = some_pairs(96)
    task.learn(pairs)
    model = task.model()
    model.compile(keras.optimizers.Adam(0.02), **task.compile_arguments())
    batches = Batches(task, pairs)
    boundaries = [int(batches.lengths.max())]
    count = batches.steps(boundaries)
    passes = batches.epochs(boundaries, 0, 20)
    model.fit(passes, epochs=20, steps_per_epoch=count, verbose=0)
    assert task.scores(model, batches.once(boundaries))["bleu"] > 80


def test_the_words_of_a_side_are_counted_in_every_script():
    """`rnnkit check` says how long sentences are; one word each would say nothing."""
    pairs = [Pair("1", "我不知道", "I do not know"), Pair("2", "是的", "yes")]
    found = TranslationTask(TranslationSettings()).describe(pairs)
    assert found["words a source"] == "3.0 (at most 4)"
    assert found["words a target"] == "2.5 (at most 4)"


# --- answers --------------------------------------------------------------------------------------


def answers(both, texts=(), input=None, **options):
    task, model = both
    return list(task.answers(model, list(texts), input, TranslationOptions(**options)))


def test_n_best_have_scores_and_the_first_is_the_translation(both):
    (answer,) = answers(both, [" a red  bird"], n_best=3)
    assert answer["source"] == "a red bird"
    assert len(answer["n_best"]) == 3
    assert answer["n_best"][0]["translation"] == answer["translation"]
    ranks = [each["score"] for each in answer["n_best"]]
    assert ranks == sorted(ranks, reverse=True)
    assert "n_best" not in answers(both, ["a"])[0]
    json.dumps(answer)


def test_all_that_the_search_keeps_counts_for_the_n_best(both, monkeypatch):
    """With fewer asked of the search, a text that stands there twice takes another one's place."""
    task, _ = both
    asked, one = [], tf.ones((1, 1))
    found = {"translations": tf.constant([["un"]]), "scores": one, "log_probabilities": one}
    monkeypatch.setattr(task, "_translate", lambda *how: asked.append(how[1:]) or (lambda _: found))
    answers(both, ["a"], n_best=2)
    answers(both, ["a"])
    assert asked == [(3, 3), (3, 1)]


def test_lines_of_a_file_keep_their_places(both, tmp_path):
    """Line n of the translation belongs to line n of the file, empty ones included."""
    task, _ = both
    path = tmp_path / "in.txt"
    path.write_text("a red bird\n\ntree\n" * 15, "utf-8")
    found = answers(both, input=str(path))
    assert [answer["source"] for answer in found] == ["a red bird", "", "tree"] * 15
    assert {answer["translation"] for answer in found[1::3]} == {""}
    assert found[0]["translation"] == answers(both, ["a red bird"])[0]["translation"]
    task.writers[".txt"](found, tmp_path / "out.txt")
    lines = (tmp_path / "out.txt").read_text("utf-8").split("\n")
    assert lines == [answer["translation"] for answer in found] + [""]


def test_a_file_is_answered_as_it_is_read(both, tmp_path, monkeypatch):
    """A file larger than the memory: the first answers come before its end is read."""
    path = tmp_path / "in.txt"
    path.write_text("a\n" * 100 + "\udcff", "utf-8", errors="surrogateescape")
    task, model = both
    stream = task.answers(model, [], str(path), TranslationOptions())
    assert next(stream)["source"] == "a"
    with pytest.raises(UserError, match=rf"^{path}:101: expected UTF-8"):
        list(stream)


def test_a_table_keeps_its_columns(both, tmp_path):
    path = tmp_path / "in.tsv"
    path.write_text("a bird\tx\nred\ty\n")
    assert [(a["source"], a["column_2"]) for a in answers(both, input=str(path))] == [
        ("a bird", "x"), ("red", "y"),
    ]  # fmt: skip


def test_the_picture_of_the_attention(both, tmp_path):
    out = tmp_path / "look.png"
    answers(both, ["a red bird"], attention=str(out))
    assert out.read_bytes()[:4] == b"\x89PNG"
    assert [path.name for path in tmp_path.iterdir()] == ["look.png"]  # of several, see the plots


def test_plots_draw_bleu_by_length_and_alignments(both, tmp_path):
    task, model = both
    task.plots(model, some_pairs(5), str(tmp_path))
    assert {path.name for path in tmp_path.iterdir()} == {
        "bleu_by_length.png", "bleu_by_length.csv",
        "attention-1.png", "attention-2.png", "attention-3.png",
    }  # fmt: skip


def test_what_cannot_be_answered_is_told(both):
    with pytest.raises(UserError, match=r"--beam must be at least 1. Received: 0"):
        TranslationOptions(beam=0)
    with pytest.raises(UserError, match=r"--beam must be at least 1. Received: 0"):
        TranslationSettings(beam=0)
    with pytest.raises(UserError, match=r"--n-best 4 --beam 3"):
        answers(both, ["a"], beam=3, n_best=4)
    with pytest.raises(UserError, match=r"expected a sentence\. Received: ' '"):
        answers(both, ["a", " "])
    with pytest.raises(UserError, match="trained with --attention none"):
        answers(make(attention="none"), ["a"], attention="look.png")
    for name in ("", ".", "look.pdf", "look"):
        with pytest.raises(UserError, match=r"--attention: expected .* ends in \.png"):
            answers(both, ["a"], attention=name)


def test_more_are_asked_for_than_the_beam_of_training(both):
    """--n-best alone widens the search."""
    assert len(answers(both, ["a red bird"], n_best=5)[0]["n_best"]) == 5


def test_a_vocabulary_that_does_not_fit_is_told(both):
    """A run whose config.json was exchanged would translate into wrong words."""
    task, model = both
    learnt = {**task.learnt, "target": task.learnt["target"][:-1]}
    other = TranslationTask(task.settings, learnt)
    for use in (
        lambda: other.predict(model, some_pairs(1)),
        lambda: other.served(model),
        lambda: other.scores(model, None),
    ):
        with pytest.raises(UserError, match="target vocabulary of the run does not fit its model"):
            use()
    for changed in (
        TranslationTask(task.settings, {**task.learnt, "target": task.learnt["target"][::-1]}),
        TranslationTask(replace(task.settings, tokens="char"), task.learnt),
    ):
        with pytest.raises(UserError, match=r"the vocabulary of the run .* others, as many"):
            changed.predict(model, some_pairs(1))


def test_to_start_from_a_run_asks_for_its_tokens(both):
    """Weights that learnt pieces of words would be trained on words that are no such pieces."""
    task, _ = both
    init = SimpleNamespace(path="runs/first", task=task, settings=task.settings)
    other = TranslationTask(replace(task.settings, tokens="char"))
    with pytest.raises(UserError, match=r"trained with --tokens subword.*--tokens char\. Use"):
        training._same_task(init, other)
    assert training._same_task(init, task) is init


# --- export ---------------------------------------------------------------------------------------


def test_the_client_answers(both, tmp_path):
    """It needs TensorFlow alone, and gives what `rnnkit predict` gives. The tests of the command
    line export for each task, with all that an export checks of itself."""
    task, model = both
    best = answers(both, ["a red bird"])[0]
    served = task.served(model)
    archive = keras.export.ExportArchive()
    endpoint = served.endpoints["serving_default"]
    spec = [tf.TensorSpec((None,), tf.string, name="text")]
    archive.add_endpoint("serving_default", lambda text: endpoint.function(text=text), spec)
    for table in served.tables:
        archive.track(table)
    archive.write_out(str(tmp_path / "1"), verbose=False)
    (tmp_path / "client.py").write_text(served.client)
    done = subprocess.run(
        [sys.executable, "-I", str(tmp_path / "client.py"), str(tmp_path / "1"), "a red bird"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    lines = done.stdout.splitlines()
    assert lines[0] == "a red bird"
    assert lines[1].split(maxsplit=1) == [f"{best['score']:.3f}", best["translation"]]
    assert len(lines) == 1 + task.settings.beam


def test_static_shapes_give_the_same_search(both):
    """The core for XLA knows its shapes; it must not translate otherwise."""
    task, model = both
    source = padded(task, ["a red bird"])
    found = search(model, source, 2, 1)
    np.testing.assert_array_equal(found.tokens, any_length(model, source, 2, 1)["tokens"])


def test_scheduled_sampling_changes_training_alone():
    task, model = make(scheduled_sampling=0.5, dropout=0.0)
    inputs = {"source": padded(task, TEXTS), "before": tf.constant([[START, 5, 6, 7]] * 4)}
    plain = model(inputs)
    assert not np.allclose(model(inputs, training=True), plain)
    np.testing.assert_array_equal(model(inputs), plain)
