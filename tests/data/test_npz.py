import zipfile
from pathlib import Path

import numpy as np
import pytest
from helpers.datasets import write_npz

from automl.data import dataset, rows_in_place
from automl.data import npz as module
from automl.data.dataset import load
from automl.data.npz import Npz
from automl.data.rows_in_place import RowsInPlace
from automl.errors import UserError

INPUTS, CLASSES = np.arange(40.0).reshape(20, 2), np.arange(20) % 2


def npz(folder, **arrays):
    return Npz(write_npz(folder / "a.npz", **arrays))


def test_integer_targets_are_classes(tmp_path):
    raw = npz(tmp_path, inputs=INPUTS, targets=CLASSES.astype(np.uint8)).load()
    assert (raw.inputs.dtype, raw.targets.dtype) == (np.float32, np.int64)
    assert raw.inputs.tolist() == INPUTS.tolist()
    assert raw.targets.tolist() == CLASSES.tolist()
    assert (raw.input_shape, raw.classes, raw.num_test) == ((2,), ("0", "1"), 0)


def test_classes_may_have_names(tmp_path):
    raw = npz(tmp_path, inputs=INPUTS, targets=CLASSES, classes=["cat", "dog"]).load()
    assert raw.classes == ("cat", "dog")


@pytest.mark.parametrize("shape", [(20,), (20, 1), (20, 3)])
def test_float_targets_are_a_regression(tmp_path, shape):
    raw = npz(tmp_path, inputs=INPUTS, targets=np.ones(shape)).load()
    assert raw.classes == ()
    assert raw.targets.shape == (20, *(shape[1:] or (1,)))
    assert raw.targets.dtype == np.float32


@pytest.mark.parametrize(
    ("inputs", "shape", "seen"),
    [
        (np.zeros((20, 3, 8)), (), (3, 8)),
        (np.zeros((20, 3, 8), np.uint8), (), (1, 3, 8)),
        (np.zeros((20, 3, 8, 8), np.uint8), (), (3, 8, 8)),
        (np.zeros((20, 3, 8)), (1, 3, 8), (1, 3, 8)),
    ],
)
def test_a_row_is_a_series_or_an_image_by_its_shape(tmp_path, inputs, shape, seen):
    raw = Npz(write_npz(tmp_path / "a.npz", inputs=inputs, targets=CLASSES), shape).load()
    assert raw.input_shape == seen
    assert raw.inputs.dtype == (np.uint8 if inputs.dtype == np.uint8 else np.float32)


def test_test_rows_come_last(tmp_path):
    arrays = {"inputs": INPUTS, "targets": CLASSES}
    arrays |= {"test_inputs": INPUTS[:4] + 100, "test_targets": CLASSES[:4]}
    raw = npz(tmp_path, **arrays).load()
    assert raw.num_test == 4
    assert raw.inputs[20:].tolist() == (INPUTS[:4] + 100).tolist()


def test_the_arrays_of_a_folder_are_mapped(tmp_path):
    np.save(tmp_path / "inputs.npy", INPUTS.astype(np.float32))
    np.save(tmp_path / "targets.npy", CLASSES)
    raw = Npz(str(tmp_path)).load()
    assert isinstance(raw.inputs, np.memmap)
    assert raw.inputs.tolist() == INPUTS.tolist()


BAD = {
    r"a.npz holds no array 'targets' but inputs": {"inputs": INPUTS},
    r"a.npz holds no array 'test_targets'": {
        "inputs": INPUTS,
        "targets": CLASSES,
        "test_inputs": INPUTS,
    },
    r"a.npz: 'inputs' has 20 rows and 'targets' 19": {"inputs": INPUTS, "targets": CLASSES[:19]},
    r"a.npz does not hold plain arrays \(.*Object arrays": {
        "inputs": np.array([[{}], [1]], object),
        "targets": CLASSES,
    },
    r"a.npz: 'inputs' is <U1 of the shape \(2, 1\)": {"inputs": [["a"], ["b"]], "targets": [0, 1]},
    r"a.npz: 'inputs' is float64 of the shape \(0, 2\)": {"inputs": INPUTS[:0], "targets": []},
    r"a.npz: 'inputs' is float64 of the shape \(20,\)": {
        "inputs": INPUTS[:, 0],
        "targets": CLASSES,
    },
    r"a.npz: 'targets' is int64 of the shape \(20, 2\)": {
        "inputs": INPUTS,
        "targets": np.zeros((20, 2), np.int64),
    },
    r"a.npz: 'targets' has the class 2019 in 20 rows": {
        "inputs": INPUTS,
        "targets": CLASSES + 2018,
    },
    r"a.npz: 'targets' has the class 9223372036854775808; number them from 0": {
        "inputs": INPUTS,
        "targets": CLASSES.astype(np.uint64) * 2**63,
        "classes": ["a", "b"],
    },
    r"a.npz: 'classes' is empty": {"inputs": INPUTS, "targets": CLASSES, "classes": []},
    r"rows are float64 \(2,\) and float64 \(3,\) in 'inputs' and 'test_inputs'": {
        "inputs": INPUTS,
        "targets": CLASSES,
        "test_inputs": np.zeros((20, 3)),
        "test_targets": CLASSES,
    },
}


@pytest.mark.parametrize("message", BAD)
def test_a_bad_array_is_named(tmp_path, message):
    with pytest.raises(UserError, match=message):
        npz(tmp_path, **BAD[message]).load()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"targets": np.where(CLASSES, 2, 0)}, r"a.npz.*row 1 \(counted from 0\) has the label 2"),
        (
            {"targets": np.where(CLASSES, -1, 0)},
            r"a.npz.*row 1 .* has the label -1, outside 0 to 1",
        ),
        ({"inputs": np.where(INPUTS == 9, np.nan, INPUTS)}, r"a.npz.*row 4 .* not finite"),
        ({"inputs": np.where(INPUTS == 9, 1e300, INPUTS)}, r"a.npz.*row 4 .* not finite"),
    ],
)
def test_a_bad_row_is_named(tmp_path, change, message):
    arrays = {"inputs": INPUTS, "targets": CLASSES, "classes": ["a", "b"], **change}
    with pytest.raises(UserError, match=message):
        load(npz(tmp_path, **arrays), 0, tmp_path / "cache")


def test_what_is_no_npz_file_is_told(tmp_path):
    (tmp_path / "a.npz").write_bytes(b"")
    with pytest.raises(UserError, match=r"a.npz is no .npz file and no folder"):
        Npz(str(tmp_path / "a.npz")).load()


def test_classes_that_are_all_negative_are_told(tmp_path):
    raw = npz(tmp_path, inputs=INPUTS, targets=CLASSES - 2)
    with pytest.raises(UserError, match=r"a.npz.*row 0 .* has the label -2, outside 0 to 0"):
        load(raw, 0, tmp_path / "cache")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (b"(20, 2)", b"(20, 2(", r"does not hold plain arrays \(.*EOF in multi-line"),
        (b"\x93NUMPY", b"\x93NUMPX", r"'inputs' is no array; save it again"),
    ],
)
def test_a_damaged_header_is_told(tmp_path, old, new, message):
    npz(tmp_path, inputs=INPUTS, targets=CLASSES)
    with zipfile.ZipFile(tmp_path / "a.npz") as file:
        arrays = {name: file.read(name) for name in file.namelist()}
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as file:
        for name, content in arrays.items():
            file.writestr(name, content.replace(old, new))
    with pytest.raises(UserError, match=message):
        Npz(str(tmp_path / "a.npz")).load()


def test_an_archive_that_needs_a_password_is_told(tmp_path):
    path = Path(npz(tmp_path, inputs=INPUTS, targets=CLASSES).path)
    content = bytearray(path.read_bytes())
    content[6] |= 1
    content[content.index(b"PK\1\2") + 8] |= 1
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"does not hold plain arrays \(.* is encrypted"):
        Npz(str(path)).load()


def test_a_shape_that_does_not_hold_a_row_is_told(tmp_path):
    path = write_npz(tmp_path / "a.npz", inputs=INPUTS, targets=CLASSES)
    with pytest.raises(
        UserError, match=r"Npz\(shape=\(3,\)\): a row of .*a.npz has the shape \(2,\)"
    ):
        Npz(path, (3,)).load()


def test_a_large_file_is_unpacked_and_mapped(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "MAX_ARRAY_BYTES", 0)
    monkeypatch.setattr(rows_in_place, "MAX_COPIED_BYTES", 0)
    inputs, targets = np.arange(80, dtype=np.uint8).reshape(40, 2), np.arange(40) % 2
    config = Npz(write_npz(tmp_path / "a.npz", inputs=inputs, targets=targets, more=np.ones(3)))
    train = dataset.load(config, 0, tmp_path / "cache").train
    assert isinstance(train.inputs, RowsInPlace)
    assert np.array_equal(train.inputs[:], inputs[train.rows])
    (unpacked,) = (tmp_path / "cache").glob("*.loaded")
    arrays = sorted(path.name for path in unpacked.glob("*.npy*"))
    assert arrays == ["inputs.npy", "targets.npy"]


def test_another_seed_leaves_what_is_unpacked_as_it_is(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "MAX_ARRAY_BYTES", 0)
    monkeypatch.setattr(rows_in_place, "MAX_COPIED_BYTES", 0)
    inputs, targets = np.arange(80, dtype=np.uint8).reshape(40, 2), np.arange(40) % 2
    config = Npz(write_npz(tmp_path / "a.npz", inputs=inputs, targets=targets))
    first = dataset.load(config, 0, tmp_path / "cache").train
    file = Path(str(first.inputs.source.filename))
    before = file.stat()
    second = dataset.load(config, 1, tmp_path / "cache").train
    assert Path(str(second.inputs.source.filename)) == file
    assert (file.stat().st_ino, file.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert np.array_equal(first.inputs[:], inputs[first.rows])


def test_what_was_half_unpacked_is_unpacked_anew(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "MAX_ARRAY_BYTES", 0)
    inputs, targets = np.arange(80, dtype=np.uint8).reshape(40, 2), np.arange(40) % 2
    config = Npz(write_npz(tmp_path / "a.npz", inputs=inputs, targets=targets))
    folder = tmp_path / "loaded"
    config.load_into(folder)
    (folder / module.UNPACKED_FILE).unlink()
    (folder / "inputs.npy").write_bytes(b"half")
    assert np.array_equal(config.load_into(folder).inputs, inputs)


def test_a_large_file_that_is_damaged_is_told_by_its_name(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "MAX_ARRAY_BYTES", 0)
    path = Path(write_npz(tmp_path / "a.npz", inputs=np.ones((40, 2)), targets=np.arange(40) % 2))
    content = bytearray(path.read_bytes())
    content[200] ^= 1
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"a\.npz does not hold plain arrays \(.*; save it again"):
        dataset.load(Npz(str(path)), 0, tmp_path / "cache")
    assert not list((tmp_path / "cache").glob("*.loaded"))
