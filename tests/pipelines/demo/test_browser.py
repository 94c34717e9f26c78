"""The page to try models in a real browser, where there is one: what a person does and sees."""

from __future__ import annotations

import base64
import os
import re
import shutil

import numpy as np
import pytest
import tensorflow as tf

from pipelines.video.decoding import Look, decode
from tests.pipelines.demo.conftest import red_or_blue
from tests.pipelines.server.served import running

BROWSER = next(filter(None, map(shutil.which, ("chromium", "google-chrome", "chrome"))), None)
DRIVER = shutil.which("chromedriver")
pytestmark = pytest.mark.skipif(
    BROWSER is None or DRIVER is None, reason="neither chromium nor chromedriver is on the PATH"
)

FASTA = ">one\nGGGGTATAGGGG\n>two\nCCCCTATACCCC\n"


@pytest.fixture(scope="module")
def port(models):
    pytest.importorskip("gradio", reason="the extra demo is not installed")
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
        *("disable-dev-shm-usage", "window-size=1000,2000"),
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
    """One model's tab."""
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys
    from selenium.webdriver.support.ui import WebDriverWait

    class Panel:
        def __init__(self, name):
            tab = f"//button[@role='tab'][normalize-space()='{name}']"
            self.wait(lambda: browser.find_elements(By.XPATH, tab))[0].click()
            self.place = browser.find_element(By.ID, f"model-{name}")
            self.wait(self.place.is_displayed)

        def all(self, css):
            return self.place.find_elements(By.CSS_SELECTOR, css)

        def box(self, label):
            around = f".//label[.//*[normalize-space()='{label}']]"
            boxes = f"{around}//textarea | {around}//input[not(@type='file')]"
            return self.place.find_element(By.XPATH, boxes)

        def fill(self, label, text):
            self.box(label).send_keys(Keys.CONTROL, "a")
            self.box(label).send_keys(text, Keys.TAB)

        def press(self, words):
            next(each for each in self.all("button") if each.text == words).click()

        def wait(self, seen):
            return WebDriverWait(browser, 30).until(lambda _: seen())

        def text(self, part):
            """Of one part of the answer, empty until it is seen."""
            shown = [each for each in self.all(f".answer-{part}") if each.is_displayed()]
            return shown[0].text if shown else ""

        def value(self):
            boxes = self.all(".answer-text textarea")
            return boxes[0].get_attribute("value") if boxes else ""

        def colours(self, css):
            """How many colours a picture has; 0 until it is there."""
            return browser.execute_script(
                "const picture = arguments[0].querySelector(arguments[1]);"
                "if (!picture || !picture.naturalWidth) return 0;"
                "const c = document.createElement('canvas'), context = c.getContext('2d');"
                "[c.width, c.height] = [picture.naturalWidth, picture.naturalHeight];"
                "context.drawImage(picture, 0, 0);"
                "const {data} = context.getImageData(0, 0, c.width, c.height);"
                "return new Set(new Uint32Array(data.buffer)).size",
                self.place,
                css,
            )

    return Panel


DROP = """
const [place, name, type, content] = arguments, data = new DataTransfer();
data.items.add(new File([Uint8Array.from(atob(content), (c) => c.charCodeAt(0))], name, {type}));
place.dispatchEvent(new DragEvent('drop', {dataTransfer: data, cancelable: true, bubbles: true}));
"""


def drop(browser, place, file, kind):
    content = base64.b64encode(file.read_bytes()).decode()
    browser.execute_script(DROP, place, file.name, kind, content)


def test_words_that_moved_the_verdict_are_coloured(panel):
    form = panel("verdict")
    form.fill("text", "a lovely, dull film")
    form.press("Ask")
    form.wait(lambda: "film" in form.text("words"))
    words = [word for word in form.all(".answer-words .token") if word.text.strip()]
    colours = {word.text: word.value_of_css_property("background-color") for word in words}
    assert list(colours) == ["a", "lovely,", "dull", "film"]
    assert colours["a"] == colours["film"]
    assert len(set(colours.values())) == 3  # for the answer, against it, neither
    assert form.text("labels").split()[:2] == ["answer", "good"]


def test_tags_stand_at_the_words_of_a_sentence(panel):
    form = panel("names")
    form.press("Ask")
    form.wait(lambda: "met" in form.text("tokens"))
    # What a model answers is text, never part of the page.
    assert form.text("tokens").split() == ["entities", "Ada", "PER", "met", "<b>Tom</b>"]


def test_a_dropped_fasta_is_answered_and_drawn(panel, browser, tmp_path):
    form = panel("promoter")
    file = tmp_path / "two.fa"
    file.write_text(FASTA)
    drop(browser, form.all("button[aria-dropeffect]")[0], file, "")
    form.wait(lambda: form.box("sequence").get_attribute("value") == FASTA)
    form.press("Ask")
    form.wait(lambda: "one" in form.text("table") and "two" in form.text("table"))
    form.wait(lambda: form.colours(".answer-information img") > 4)  # letters, not one block
    form.wait(lambda: form.colours(".answer-evidence img") > 4)


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
    form.wait(lambda: "an example of 4 frames" in form.place.text)
    drop(browser, form.all("button[aria-dropeffect]")[0], file, "video/webm")
    form.wait(lambda: "5 frames, 5 a second, 10 x 6" in form.place.text)
    form.wait(lambda: form.box("length").get_attribute("value") == "5")
    form.press("Ask")
    form.wait(lambda: form.all(".answer-curves .marks"))
    expected = list(decode(file, Look(10, 6, "rgb", 5.0)))
    answer = red_or_blue(tf.constant([expected]), tf.constant([5]))["probabilities"][0].numpy()
    shares = sorted((round(100 * float(share)) for share in answer), reverse=True)
    assert re.findall(r"(\d+)%", form.text("labels")) == [str(share) for share in shares]


def test_a_file_that_is_no_text_is_told(panel, browser, tmp_path):
    form, file = panel("verdict"), tmp_path / "notes.fa"
    file.write_bytes(b"\xff\xfe\x00")
    form.all("input[type=file]")[0].send_keys(str(file))
    told = "return document.querySelector('.toast-body')?.innerText || ''"
    form.wait(lambda: "notes.fa: expected a text in UTF-8" in browser.execute_script(told))


def test_a_chorale_grows_is_seen_and_heard(panel, browser):
    form = panel("chorale")
    form.press("Watch it grow")
    form.wait(lambda: form.colours(".answer-roll img") == 3)  # nothing, held, struck
    form.wait(lambda: "0:01" in form.text("sound"))  # it has begun to play by itself
    form.press("Stop")
    form.press("Ask")  # the whole piece at once
    form.wait(lambda: form.colours(".answer-roll img") == 2)  # all its keys are held


def test_a_text_is_written_letter_by_letter(panel):
    form = panel("story")
    form.press("Watch it grow")
    form.wait(lambda: form.value() == "Once fghijklmnopqrst")


def test_translations_are_listed_best_first(panel):
    form = panel("translate")
    form.press("Ask")
    form.wait(lambda: form.value() == "3 MAY 2021")
    form.wait(lambda: "-0.25" in form.text("table"))


def test_a_mistake_is_told_in_words(panel, browser):
    form = panel("story")
    form.fill("length", "9999999")
    form.press("Watch it grow")
    told = "return [...document.querySelectorAll('.toast-body')].map((e) => e.innerText).join()"
    form.wait(lambda: "length: expected 1 to 2000." in browser.execute_script(told))


def test_the_page_loads_nothing_from_elsewhere(browser, port):
    """A model may be private: nobody is told that it is tried."""
    asked = browser.execute_script(
        "return performance.getEntriesByType('resource').map((entry) => entry.name)"
    )
    assert len(asked) > 5
    assert {re.match("[a-z]+://[^/]*", name)[0] for name in asked if "://" in name} == {
        f"http://127.0.0.1:{port}"
    }
