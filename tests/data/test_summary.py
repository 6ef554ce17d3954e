import numpy as np
import pytest
from helpers.datasets import mixed_table, write_images, write_npz

from automl.data import dataset
from automl.data.image_folder import ImageFolder
from automl.data.linear_map import LinearMap
from automl.data.npz import Npz
from automl.data.summary import ClassSummary, ColumnSummary


def test_a_table_is_said_with_its_columns_classes_and_split(tmp_path):
    found = dataset.summary(mixed_table(tmp_path / "a.csv"), 0, tmp_path / "cache")
    assert (found.task, found.target, found.num_rows) == ("classification", "bought", 20)
    assert found.classes == (ClassSummary("n", 10), ClassSummary("y", 10))
    assert found.columns == (
        ColumnSummary("width", "numbers", 0, ("0", "0.5")),
        ColumnSummary("colour", "2 categories", 0, ("blue", "red")),
        ColumnSummary("age", "numbers", 0.2, ("0", "1")),
    )
    assert (found.num_train, found.num_validation, found.num_test) == (12, 4, 4)
    text = found.text()
    assert f"data: Table(path='{tmp_path}/a.csv', target='bought')" in text
    assert "target bought: 2 classes (classification), n (10), y (10)" in text
    assert "age     numbers          20 % missing  e.g. 0, 1" in text
    assert "12 rows to train, 4 to validate (drawn), 4 to test (drawn)" in text


def test_what_was_read_is_said_in_one_line_too(tmp_path):
    found = dataset.summary(LinearMap(num_rows=50, num_outputs=1), 0, tmp_path)
    assert found.short_text().startswith(
        "data: 50 rows, each 64 numbers; target: a number to predict (regression), -"
    )
    assert "\n" not in found.short_text()


@pytest.mark.parametrize(
    ("shape", "dtype", "row"),
    [
        ((3, 8, 9), np.uint8, "an image of 8 x 9 pixels (height x width), RGB"),
        ((2, 9), np.float32, "a series of 2 channels of 9 steps"),
        ((7,), np.float32, "7 numbers"),
    ],
)
def test_a_row_is_said_as_it_is_read(tmp_path, shape, dtype, row):
    inputs = np.ones((20, *shape), dtype).cumsum(0, dtype)
    path = write_npz(tmp_path / "a.npz", inputs=inputs, targets=np.arange(20) % 2)
    assert dataset.summary(Npz(path), 0, tmp_path / "cache").row == row


def test_a_summary_is_read_again_from_the_cache_under_the_path_given_now(tmp_path):
    path = write_images(tmp_path / "here")
    first = dataset.summary(ImageFolder(path), 0, tmp_path / "cache")
    (tmp_path / "here").rename(tmp_path / "there")
    moved = ImageFolder(str(tmp_path / "there"))
    again = dataset.summary(moved, 0, tmp_path / "cache")
    assert again.source == str(moved)
    assert again.classes == first.classes
