import base64
import io
from dataclasses import replace

import numpy as np
from helpers.trials import DIGITS, load
from PIL import Image

from automl.data.dataset import DatasetInfo, Scaling
from automl.data.preview import previews
from automl.data.raw_dataset import Column

NOTHING = Scaling((), ())
ABOUT = DatasetInfo((3,), 2, ("a", "b"), (1, 1), (), 0, NOTHING, NOTHING)


def pixels(preview):
    kind, data = preview["picture"].split(",")
    assert kind == "data:image/png;base64"
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(data))))


def test_an_image_is_a_picture_of_its_pixels():
    data = load(DIGITS)
    rows = data.validation.inputs[:3]
    for row, preview in zip(rows, previews(rows, data.info), strict=True):
        expected = (row.reshape(8, 8) / rows.max() * 255).astype(np.uint8)
        assert (pixels(preview)[:, :, 0] == expected).all()


def test_colours_stay_and_large_images_become_small():
    rows = np.zeros((1, 3, 200, 400), np.uint8)
    rows[0, 1] = 255
    shown = pixels(previews(rows, replace(ABOUT, input_shape=(3, 200, 400)))[0])
    assert shown.shape == (48, 96, 3)
    assert shown[10, 10].tolist() == [0, 255, 0]


def test_texts_tables_and_series_are_text():
    text = np.array([[*b"h\xc3\xa9llo", 0, 0]], np.uint8)
    assert previews(text, replace(ABOUT, num_tokens=256)) == [{"text": "héllo"}]
    columns = (Column("age"), Column("sex", ("f", "m")), Column("size"))
    row = np.array([[41.5, 1, np.nan]], np.float32)
    (shown,) = previews(row, replace(ABOUT, columns=columns))
    assert shown["text"] == "age = 41.5, sex = m, size = missing"
    series = np.arange(40, dtype=np.float32).reshape(1, 2, 20)
    (shown,) = previews(series, replace(ABOUT, input_shape=(2, 20)))
    assert shown["text"].startswith("0, 1, 2") and shown["text"].endswith("11, …")
    assert previews(text[:0], ABOUT) == []
