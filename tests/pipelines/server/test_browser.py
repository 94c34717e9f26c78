"""The page to try models in a real browser, where there is one: what a person does and sees."""

from __future__ import annotations

import base64
import json
import os
import re
import shutil

import numpy as np
import pytest
import tensorflow as tf

from pipelines import warmup
from pipelines.server.models import Models
from pipelines.video.decoding import Look, decode
from tests.pipelines.server.served import SPEC, running

BROWSER = next(filter(None, map(shutil.which, ("chromium", "google-chrome", "chrome"))), None)
DRIVER = shutil.which("chromedriver")
pytestmark = pytest.mark.skipif(
    BROWSER is None or DRIVER is None, reason="neither chromium nor chromedriver is on the PATH"
)

FASTA = ">one\nGGGGTATAGGGG\n>two\nCCCCTATACCCC\n"
TEXT = SPEC([None], tf.string)


def chosen(probability):
    """Two labels and their probabilities, as the tasks answer."""
    labels = tf.tile(tf.constant([["bad", "good"]]), [tf.shape(probability)[0], 1])
    return {"labels": labels, "probabilities": tf.stack([1 - probability, probability], axis=1)}


def verdict(text):
    """ "Lovely" speaks for good, "dull" against it."""
    without = [tf.strings.regex_replace(text, word, "") for word in ("lovely", "dull")]
    lost = [tf.cast(tf.strings.length(text) - tf.strings.length(w), tf.float32) for w in without]
    return chosen(tf.sigmoid(lost[0] - 0.5 * lost[1]))


def promoter(sequence):
    return chosen(0.1 + 0.8 * tf.cast(tf.strings.regex_full_match(sequence, ".*TATA.*"), "float32"))


def names(sentence):
    tokens = tf.strings.split(sentence)
    tags = tf.where(tf.strings.regex_full_match(tokens.flat_values, "[A-Z].*"), "B-PER", "O")
    return {"tokens": tokens.to_tensor(""), "tags": tokens.with_flat_values(tags).to_tensor("")}


def translate(text):
    translations = tf.stack([tf.strings.upper(text), text], axis=1)
    return {"translations": translations, "scores": tf.zeros_like(translations, "float32") - 0.25}


def red_or_blue(clip, length):
    """How much of the film is red, and how much it was up to each frame."""
    shares = tf.reduce_mean(tf.cast(clip, tf.float32), axis=[2, 3]) / 255
    shares = shares / tf.reduce_sum(shares + 1e-6, axis=-1, keepdims=True)
    red = tf.cumsum(shares[..., 0], axis=1) / (1 + tf.range(tf.shape(clip)[1], dtype=tf.float32))
    return {**chosen(1 - red[:, -1]), "over_time": tf.stack([red, 1 - red], axis=-1)}


NUMBERS = {
    "length": SPEC([None], tf.int32),
    "temperature": SPEC([None], tf.float32),
    "seed": SPEC([None], tf.int32),
}
STATE = {"state_0": SPEC([None, 1], tf.float32)}
STEP = {**NUMBERS, **STATE, "step": SPEC([None], tf.int32)}
del STEP["length"]


def chorale(primer, primer_length, length, temperature, seed):
    return {"roll": primer}


def next_chord(x, seed, step, temperature, state_0):
    """The chord before, a key higher."""
    return {"y": tf.roll(tf.minimum(x * 2, 2), 1, axis=1), "state_0": state_0 + 1}


def story(primer, length, temperature, seed):
    return {"text": primer}


def next_letter(x, seed, step, temperature, state_0):
    letter = tf.strings.unicode_encode(tf.cast(97 + state_0 % 26, tf.int32), "UTF-8")
    return {"y": letter, "state_0": state_0 + 1}


def silence(seed):
    return {"state_0": tf.zeros((tf.shape(seed)[0], 1))}


PRIMER = np.zeros((1, 2, 88), np.uint8)
PRIMER[:, :, [27, 34, 43]] = 1
FEW = {
    "length": np.array([20], np.int32),
    "temperature": np.array([1.0], np.float32),
    "seed": np.array([1], np.int32),
}
ROLL = {"primer": SPEC([None, None, 88], tf.uint8), "primer_length": SPEC([None], tf.int32)}
CLIP = {"clip": SPEC([None, None, 6, 10, 3], tf.uint8), "length": SPEC([None], tf.int32)}
MODELS = {  # {name: (signatures with their inputs, a request)}
    "verdict": (
        {"serving_default": (verdict, {"text": TEXT})},
        {"text": np.array(["a lovely dull film"], object)},
    ),
    "promoter": (
        {"serving_default": (promoter, {"sequence": TEXT})},
        {"sequence": np.array(["ACGTACGTACGT"], object)},
    ),
    "names": (
        {"serving_default": (names, {"sentence": TEXT})},
        {"sentence": np.array(["Ada met <b>Tom</b>"], object)},
    ),
    "translate": (
        {"serving_default": (translate, {"text": TEXT})},
        {"text": np.array(["3 May 2021"], object)},
    ),
    "film": (
        {"serving_default": (red_or_blue, CLIP)},
        {"clip": np.full((1, 4, 6, 10, 3), 90, np.uint8), "length": np.array([4], np.int32)},
    ),
    "chorale": (
        {
            "serving_default": (chorale, {**ROLL, **NUMBERS}),
            "stream": (next_chord, {"x": SPEC([None, 88], tf.uint8), **STEP}),
            "stream_init": (silence, {"seed": SPEC([None], tf.int32)}),
        },
        {"primer": PRIMER, "primer_length": np.array([2], np.int32), **FEW},
    ),
    "story": (
        {
            "serving_default": (story, {"primer": TEXT, **NUMBERS}),
            "stream": (next_letter, {"x": TEXT, **STEP}),
            "stream_init": (silence, {"seed": SPEC([None], tf.int32)}),
        },
        {"primer": np.array(["Once "], object), **FEW},
    ),
}


@pytest.fixture(scope="module")
def port(tmp_path_factory):
    root = tmp_path_factory.mktemp("models")
    for name, (signatures, request) in MODELS.items():
        module = tf.Module()
        for key, (function, inputs) in signatures.items():
            specs = [SPEC(spec.shape, spec.dtype, name=name) for name, spec in inputs.items()]
            setattr(
                module,
                key,
                tf.function(function).get_concrete_function(
                    **dict(zip(inputs, specs, strict=True))
                ),
            )
        folder = root / name / "1"
        tf.saved_model.save(module, str(folder), {key: getattr(module, key) for key in signatures})
        warmup.write(folder, name, {"serving_default": request})
        if name == "film":
            (folder / "signature.json").write_text(json.dumps({"labels": None, "rate": 5}))
    models = Models(root, print)
    models.look()
    with running(models, demo=True) as port:
        yield port


@pytest.fixture(scope="module")
def browser(port, tmp_path_factory):
    selenium = pytest.importorskip("selenium.webdriver")
    options = selenium.ChromeOptions()
    options.binary_location = BROWSER
    for flag in (
        *("headless", "no-sandbox", "disable-gpu", "disable-quic", "no-first-run"),
        *("disable-background-networking", "disable-component-update", "disable-sync"),
        *("disable-dev-shm-usage", "window-size=900,3200"),
        f"user-data-dir={tmp_path_factory.mktemp('profile')}",
    ):
        options.add_argument(f"--{flag}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    os.environ["SE_OFFLINE"] = "true"  # Selenium asks nobody for a driver
    service = selenium.ChromeService(executable_path=DRIVER)
    driver = selenium.Chrome(options=options, service=service)
    try:
        driver.get(f"http://127.0.0.1:{port}/")
        yield driver
        driver.save_screenshot(str(tmp_path_factory.mktemp("picture") / "page.png"))
        assert [entry for entry in driver.get_log("browser") if entry["level"] == "SEVERE"] == []
    finally:
        driver.quit()


@pytest.fixture
def panel(browser):
    """One model's part of the page."""
    from selenium.webdriver.common.by import By
    from selenium.webdriver.support.ui import WebDriverWait

    class Panel:
        def __init__(self, name):
            self.place = browser.find_element(By.ID, f"model-{name}")

        def all(self, css):
            return self.place.find_elements(By.CSS_SELECTOR, css)

        def fill(self, name, text):
            (box,) = self.all(f"[name={name}]")
            box.clear()
            box.send_keys(text)

        def press(self, words):
            next(each for each in self.all("button") if each.text == words).click()

        def wait(self, seen):
            return WebDriverWait(browser, 30).until(lambda _: seen())

        def text(self):
            return self.all("output")[0].text

        def colours(self, css):
            """How many colours a picture has, nothing among them."""
            return browser.execute_script(
                "const c = arguments[0], context = c.getContext('2d');"
                "const {data} = context.getImageData(0, 0, c.width, c.height);"
                "return new Set(new Uint32Array(data.buffer)).size",
                self.all(css)[0],
            )

    return Panel


DROP = """
const [place, name, content] = arguments, data = new DataTransfer();
data.items.add(new File([Uint8Array.from(atob(content), (c) => c.charCodeAt(0))], name));
place.dispatchEvent(new DragEvent('drop', {dataTransfer: data, cancelable: true}));
"""


def drop(browser, place, file):
    browser.execute_script(DROP, place, file.name, base64.b64encode(file.read_bytes()).decode())


def test_words_that_moved_the_verdict_are_coloured(panel):
    form = panel("verdict")
    form.fill("text", "a lovely, dull film")
    form.press("Ask")
    words = form.wait(lambda: form.all(".word"))
    influence = {word.text: float(word.get_attribute("title")) for word in words}
    assert list(influence) == ["a", "lovely,", "dull", "film"]
    assert influence["lovely,"] > 2 > 0 > influence["dull"]
    assert influence["film"] == 0
    assert [bar.text.split()[0] for bar in form.all(".bar")] == ["bad", "good"]


def test_tags_stand_under_the_words_of_a_sentence(panel):
    form = panel("names")
    form.press("Ask")
    form.wait(lambda: form.all(".entity"))
    assert form.text().split() == ["Ada", "B-PER", "met", "<b>Tom</b>"]
    assert [each.text for each in form.all(".entity")] == ["Ada"]


def test_a_dropped_fasta_is_answered_and_drawn(panel, browser, tmp_path):
    form = panel("promoter")
    file = tmp_path / "two.fa"
    file.write_text(FASTA)
    drop(browser, form.all("textarea")[0], file)
    form.wait(lambda: form.all("textarea")[0].get_attribute("value") == FASTA)
    form.press("Ask")
    form.wait(lambda: len(form.all("canvas.logo")) == 2)
    assert {"one", "two"} <= set(form.text().split("\n"))
    assert "information in 2 sequences" in form.text()
    assert "letters of one that spoke for the answer" in form.text()
    assert form.colours("canvas.logo") > 4  # letters, not one block


def test_a_dropped_film_is_read_as_training_reads_it(panel, browser, tmp_path):
    """Frames at the model's rate and size, their probabilities, and their course over time."""
    av = pytest.importorskip("av", reason="the extra video is not installed")
    file = tmp_path / "red then blue.webm"
    with av.open(str(file), "w") as container:
        stream = container.add_stream("libvpx", rate=10)
        stream.width, stream.height, stream.pix_fmt = 40, 24, "yuv420p"
        for k in range(10):
            pixels = np.zeros((24, 40, 3), np.uint8)
            pixels[..., 0 if k < 5 else 2] = 100 + 15 * k
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels)))
        container.mux(stream.encode())
    form = panel("film")
    assert "an example of 4 frames" in form.all("figure.film")[0].text
    drop(browser, form.all("figure.film")[0], file)
    form.wait(lambda: "red then blue.webm: 5 frames" in form.all("figure.film")[0].text)
    assert form.colours("canvas.strip") > 4
    form.press("Ask")
    form.wait(lambda: form.all("canvas.curves"))
    assert "after each of 5 frames" in form.text()
    expected = list(decode(file, Look(10, 6, "rgb", 5.0)))
    answer = red_or_blue(tf.constant([expected]), tf.constant([5]))["probabilities"][0]
    shown = [float(bar.text.split()[-1]) for bar in form.all(".bar")]
    np.testing.assert_allclose(shown, answer, atol=0.02)
    assert 0.5 < shown[0] < 0.7  # three frames of five were red


def test_what_is_no_film_is_told(panel, browser, tmp_path):
    form, file = panel("film"), tmp_path / "notes.txt"
    file.write_text("no film")
    drop(browser, form.all("figure.film")[0], file)
    form.wait(lambda: "notes.txt: this browser cannot decode" in form.all("figure.film")[0].text)
    form.press("Ask")  # what was there before is still there
    form.wait(lambda: form.all(".bar"))


def test_a_chorale_grows_is_seen_and_heard(panel, browser):
    form = panel("chorale")
    form.press("Watch it grow")
    form.wait(lambda: int((re.findall(r"step (\d+)", form.text()) or [0])[0]) > 5)
    assert form.colours("canvas.roll") == 3  # nothing, held, struck
    state = "return [voices.context.state, voices.context.currentTime, voices.sounding.size]"
    before = browser.execute_script(state)
    form.press("Stop")
    form.wait(lambda: any(each.text == "Watch it grow" for each in form.all("button")))
    assert before[0] == "running"
    assert before[1] > 0
    assert before[2] == 3  # a chord of three
    form.press("Ask")  # the whole piece at once
    form.wait(lambda: any(each.text == "Play" for each in form.all("button")))
    form.press("Play")
    assert browser.execute_script("return voices.notes") == 3


def test_a_text_is_written_letter_by_letter(panel):
    form = panel("story")
    form.press("Watch it grow")
    form.wait(lambda: "20 characters" in form.text())
    assert form.text().splitlines()[0] == "Once fghijklmnopqrst"


def test_translations_are_listed_best_first(panel):
    form = panel("translate")
    form.press("Ask")
    form.wait(lambda: "MAY" in form.text())
    assert form.text().splitlines() == ["3 MAY 2021", "3 May 2021 (-0.25)"]


def test_a_mistake_is_told_in_words(panel):
    form = panel("story")
    form.fill("seed", "much")
    form.press("Watch it grow")
    form.wait(lambda: form.all("output.error"))
    assert form.text().startswith("seed: ")
