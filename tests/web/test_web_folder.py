"""The folder for browsers, in a real one: its page answers as onnxruntime does, and says so."""

import re

import numpy as np
import pytest
from helpers.browser import browser as browser
from helpers.browser import find, needs_browser, picture
from helpers.datasets import mixed_table, reviews, waves, write_images, write_mnist
from helpers.exported import network_of, write_export
from helpers.trials import finish, load
from helpers.web import FILE, OUTPUTS, asked, files_served, loaded, write_web
from PIL import Image
from selenium.webdriver.common.action_chains import ActionChains

import automl
from automl.compression.quantize import Quantize
from automl.data.idx import MNIST
from automl.data.image_folder import ImageFolder
from automl.data.pixels import decoded
from automl.data.sklearn import Sklearn
from automl.export import onnx
from automl.models.convnet import ConvNet
from automl.predictor.rows import Unused
from automl.training.loop import Train
from automl.web.folder import PAGES

UNTAUGHT = Train(epochs=0)
STEPS = {
    "fp32": None,
    "int8": Quantize(training=UNTAUGHT),
    "2 bits": Quantize(bits=2, ends_bits=2, activation_bits=None, training=UNTAUGHT),
}


def outputs(model, rows):
    """The answers of onnxruntime to rows one at a time, as a page asks."""
    each = (answers for row in rows for answers in model.answers([row], Unused()))
    return np.concatenate([answers.outputs for answers in each])


@needs_browser
@pytest.mark.parametrize("step", STEPS)
def test_a_hundred_rows_are_answered_as_by_onnxruntime(step, browser, context, tmp_path):
    source = Sklearn("digits")
    out = write_export(source, tmp_path / "out", ConvNet((8, 8)))
    if STEPS[step]:
        network = finish(STEPS[step].run(network_of(source, ConvNet((8, 8))), context))
        (out / "model.onnx").write_bytes(onnx.export(network, context.data))
    model, rows = automl.load(out), load(source).train.inputs[:100]
    with files_served(write_web(model, tmp_path / "web")) as address:
        browser.get(address)
        loaded(browser)
        found = np.array(asked(browser, OUTPUTS, rows.tolist()))
    expected = outputs(model, rows)
    assert (found.argmax(1) == expected.argmax(1)).all()
    assert np.abs(found - expected).max() < 1e-4


ROWS = {
    "table": [
        {"width": 1.5, "colour": "red", "age": 3},
        {"width": None, "colour": None, "age": None},
        {"width": -2e9, "colour": "blue", "age": 0.1},
    ],
    "text": [
        "bad",
        "größer als je zuvor",
        "ü" * 64 + "x",
        "日本語" * 30,
        " a\n b ",
        "x" * 127 + "ü",
    ],
    "series": [[[1, 2, 3, 4, 5, 6, 7, 8]], [[-0.1] * 8]],
    "regression": [[0.01] * 10, [-0.05] * 10],
}
SOURCES = {
    "table": lambda folder: mixed_table(folder / "table.csv"),
    "text": lambda folder: reviews(folder / "reviews.csv"),
    "series": lambda folder: waves(folder / "waves.csv"),
    "regression": lambda folder: Sklearn("diabetes"),
}


@needs_browser
@pytest.mark.slow
@pytest.mark.parametrize("kind", ROWS)
def test_rows_of_every_kind_are_encoded_as_by_predict(kind, browser, tmp_path):
    model = automl.load(write_export(SOURCES[kind](tmp_path), tmp_path / "out"))
    rows = ROWS[kind]
    with files_served(write_web(model, tmp_path / "web")) as address:
        browser.get(address)
        loaded(browser)
        found = np.array(asked(browser, OUTPUTS, rows))
        arrays = [np.array(row) for row in rows] if kind in ("series", "regression") else rows
        np.testing.assert_allclose(found, outputs(model, arrays), rtol=1e-4, atol=1e-4)


def noisy(height, width, channels):
    return np.random.default_rng(0).integers(0, 256, (height, width, channels), np.uint8).squeeze()


@needs_browser
@pytest.mark.slow
@pytest.mark.parametrize("size", [(8, 8), (37, 53), (5, 3), (8, 40)], ids=str)
def test_a_picture_is_resized_to_the_very_pixels_of_predict(size, browser, tmp_path):
    for channels, source in (
        (3, ImageFolder(write_images(tmp_path / "images"))),
        (1, MNIST(write_mnist(tmp_path / "mnist"))),
    ):
        out = write_export(source, tmp_path / f"out{channels}")
        model, web = automl.load(out), write_web(automl.load(out), tmp_path / f"web{channels}")
        Image.fromarray(noisy(*size, 3)).save(web / "noisy.png")
        with files_served(web) as address:
            browser.get(address)
            loaded(browser)
            found = asked(browser, FILE, "noisy.png")
        wanted = decoded(web / "noisy.png", model.form.input_shape[1:], channels)
        np.testing.assert_array_equal(np.array(found["seen"]), wanted.reshape(channels, -1))
        assert found["predictions"][0]["prediction"] == model.predict(web / "noisy.png")[0]
        assert re.fullmatch(r"[\d.]+ ms a call \(median of 5 blocks, \d+ calls\)", found["cost"])


@needs_browser
@pytest.mark.slow
def test_a_picture_is_upright_and_on_white_where_it_is_transparent(browser, tmp_path):
    out = write_export(ImageFolder(write_images(tmp_path / "images")), tmp_path / "out")
    model, web = automl.load(out), write_web(automl.load(out), tmp_path / "web")
    turned = Image.Exif()
    turned[0x0112] = 6
    Image.fromarray(noisy(4, 8, 3)).resize((80, 40)).save(
        web / "turned.jpg", exif=turned, quality=95
    )
    Image.fromarray(noisy(8, 8, 4)).save(web / "clear.png")
    (web / "broken.png").write_bytes(b"none")
    with files_served(web) as address:
        browser.get(address)
        loaded(browser)
        found = asked(browser, FILE, "turned.jpg")
        clear = asked(browser, FILE, "clear.png")
        broken = asked(browser, FILE, "broken.png")
    wanted = decoded(web / "turned.jpg", (8, 8), 3).astype(int)
    # Two decoders of JPEG round otherwise.
    assert np.abs(np.array(found["seen"]) - wanted.reshape(3, -1)).max() <= 4
    wanted = decoded(web / "clear.png", (8, 8), 3).astype(int)
    assert np.abs(np.array(clear["seen"]) - wanted.reshape(3, -1)).max() <= 1
    assert found["notes"] == clear["notes"] == []
    assert broken == "Error: broken.png does not decode; choose another picture."
    assert model.classes


@needs_browser
@pytest.mark.slow
def test_a_digit_is_drawn_and_answered(browser, tmp_path):
    model = automl.load(write_export(MNIST(write_mnist(tmp_path / "mnist")), tmp_path / "out"))
    with files_served(write_web(model, tmp_path / "web")) as address:
        browser.get(address)
        assert loaded(browser).text == "Draw large, in the middle."
        (pad,) = find(browser, "#pad")
        wide = pad.size["width"] // 4
        pen = ActionChains(browser, duration=20).move_to_element_with_offset(pad, -wide, -wide)
        pen.click_and_hold().move_by_offset(2 * wide, 0).move_by_offset(-wide, 2 * wide)
        pen.release().perform()
        assert len(find(browser, ".share")) == 10
        answer = browser.find_element("id", "answer")
        assert answer.text in model.classes
        seen = browser.execute_script(
            "const small = document.getElementById('small');"
            "const { data } = small.getContext('2d').getImageData(0, 0, 28, 28);"
            "return Array.from({ length: 784 }, (_, i) => data[4 * i]);"
        )
        pixels = np.array(seen, np.uint8).reshape(1, 28, 28)
        assert pixels[0, 7, 7:21].min() > 128 and pixels[0, 20, 20] == 0
        assert model.predict(pixels)[0] == answer.text
        picture(browser, "web-digit")
        browser.find_element("id", "inverted").click()
        assert find(browser, "#answer:not(.waiting)")
        browser.find_element("id", "clear").click()
        assert answer.text == "Draw large, in the middle."
        assert [m for m in browser.get_log("browser") if m["level"] == "SEVERE"] == []


NOT_FINITE = "The answer is no finite number, so far are the values from those of training"


@needs_browser
@pytest.mark.slow
def test_mistakes_are_sentences_on_the_page(browser, tmp_path):
    model = automl.load(write_export(waves(tmp_path / "waves.csv"), tmp_path / "out"))
    web = write_web(model, tmp_path / "web")
    with files_served(web) as address:
        browser.get(address)
        loaded(browser)
        (typed,) = find(browser, "textarea")
        for given, told in (
            ("1 2 3", "There are 3 numbers; give 8."),
            ("1 2 3 x 5 6 7 8", "A value is no finite number; correct it."),
            ("-3.4e38 " * 8, f"{NOT_FINITE}; correct them."),
        ):
            typed.clear()
            typed.send_keys(given)
            browser.find_element("css selector", "form button").click()
            (error,) = find(browser, "#answer.error")
            assert error.text == told
        (web / "model.onnx").unlink()
        browser.get(address)
        assert loaded(browser).text == "model.onnx is not in this folder (404); export it again."
        picture(browser, "web-missing")
    browser.get((web / "index.html").as_uri())
    assert "python -m http.server" in find(browser, "#from-file")[0].text


def test_a_page_takes_nothing_from_elsewhere():
    for file in PAGES.iterdir():
        assert not re.search(r"https?://(?!localhost)", file.read_text()), file
