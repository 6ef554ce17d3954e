"""Arrays as people have them: read as their owner means them, or told in one sentence."""

import re

import numpy as np
import pytest
from helpers.cases import said
from helpers.datasets import write_npz

from automl.data.npz import Npz

TWENTY = np.arange(40, dtype=np.float32).reshape(20, 2)
TWO = np.arange(20) % 2


@pytest.mark.parametrize(
    ("targets", "classes"),
    [
        (TWO, ("0", "1")),
        (TWO[:, None], ("0", "1")),
        (TWO.astype(bool), ("0", "1")),
        (np.array(["no", "yes"])[TWO], ("no", "yes")),
        (np.array(["no ", "yes"])[TWO][:, None], ("no", "yes")),
    ],
)
def test_classes_of_arrays_in_many_spellings_are_the_same(tmp_path, targets, classes):
    path = write_npz(tmp_path / "a.npz", inputs=TWENTY, targets=targets)
    raw = Npz(path).load()
    assert (raw.classes, raw.targets.tolist()) == (classes, TWO.tolist())


def test_a_test_split_of_arrays_may_have_other_widths_of_numbers(tmp_path):
    more = {"test_inputs": TWENTY.astype(np.float64), "test_targets": TWO.astype(np.uint8)}
    raw = Npz(write_npz(tmp_path / "a.npz", inputs=TWENTY, targets=TWO, **more)).load()
    assert (raw.num_test, raw.inputs.dtype, raw.targets.dtype) == (20, np.float32, np.int64)


ARRAYS_TOLD = {
    "one-hot": ({"targets": np.eye(2)[TWO]}, r"'targets' holds a 1 in each row and zeros; make"),
    "grey images": (
        {"inputs": np.zeros((20, 28, 28))},
        r"rows of 28 x 28 numbers may be grey images or series of 28 channels; say which: "
        r"Npz\(shape=\(1, 28, 28\)\) or Npz\(shape=\(28, 28\)\)",
    ),
    "numbers beside pixels": (
        {
            "inputs": np.zeros((20, 8, 8), np.uint8),
            "test_inputs": np.zeros((4, 8, 8)),
            "test_targets": TWO[:4],
        },
        r"rows are float64 \(8, 8\) and uint8 \(8, 8\)",
    ),
    "whole numbers as floats": (
        {"targets": TWO.astype(float)},
        r"'targets' are 2 whole numbers such as 0.0; for classes save targets.astype\(int\)",
    ),
    "names twice": ({"classes": ["a", "a"]}, r"it names the class 'a' twice; rename one"),
    "times": (
        {"inputs": (1_700_000_000 + np.arange(40)).reshape(20, 2)},
        r"column 0 \(counted from 0\) of 'inputs' holds numbers such as 1700000000 that float32",
    ),
    "missing numbers": ({"inputs": np.where(TWENTY == 3, np.nan, TWENTY)}, r"row 1 .* not finite"),
    "objects": ({"inputs": np.array([[{}]] * 20)}, r"does not hold plain arrays \(.*allow_pickle"),
    "complex": ({"inputs": TWENTY.astype(complex)}, r"'inputs' is complex128 of the shape"),
    "no target": ({"targets": np.full(20, np.nan)}, r"row 0 .* not finite among its targets"),
}


@pytest.mark.parametrize("name", ARRAYS_TOLD)
def test_arrays_that_cannot_be_meant_are_told(tmp_path, name):
    change, wanted = ARRAYS_TOLD[name]
    path = write_npz(tmp_path / "a.npz", **{"inputs": TWENTY, "targets": TWO, **change})
    text = said(Npz(path), tmp_path)
    assert re.search(wanted, text), text


def test_a_folder_of_arrays_with_other_names_is_told(tmp_path):
    np.save(tmp_path / "X.npy", TWENTY)
    assert f"{tmp_path} holds X; name the arrays inputs and targets" in said(
        Npz(str(tmp_path)), tmp_path
    )
