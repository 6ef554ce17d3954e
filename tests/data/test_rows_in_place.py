import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from automl.data import dataset, rows_in_place
from automl.data.dataset import Dataset
from automl.data.npz import Npz
from automl.data.raw_dataset import RawDataset
from automl.data.rows_in_place import RowsInPlace


@pytest.fixture(autouse=True)
def every_file_is_large(monkeypatch):
    monkeypatch.setattr(rows_in_place, "MAX_COPIED_BYTES", 0)
    dataset._load.cache_clear()


@pytest.fixture
def cache(tmp_path):
    return tmp_path / "cache"


def write(folder, value=0):
    folder.mkdir(exist_ok=True)
    rows = np.arange(40, dtype=np.uint8)
    np.save(folder / "inputs.npy", np.stack([rows, np.full(40, value, np.uint8)], 1))
    np.save(folder / "targets.npy", rows.astype(int) % 2)
    return Npz(str(folder))


def train(config, cache):
    return dataset.load(config, 0, cache).train


def test_a_large_file_is_not_copied(tmp_path, cache):
    rows = train(write(tmp_path / "set"), cache)
    assert isinstance(rows.inputs, RowsInPlace)
    assert not list(cache.rglob("train.inputs.npy"))
    assert rows.inputs[:,][:, 0].tolist() == rows.rows.tolist()


def test_rows_in_place_are_those_of_a_copy(tmp_path, cache, monkeypatch):
    config = write(tmp_path / "set", 7)
    found = dataset.load(config, 0, cache)
    monkeypatch.setattr(rows_in_place, "MAX_COPIED_BYTES", 10**9)
    dataset._load.cache_clear()
    copied = dataset.load(config, 0, tmp_path / "copies")
    assert np.array_equal(found.train.inputs[:], copied.train.inputs)
    assert (found.train.inputs.shape, found.train.inputs.nbytes) == ((24, 2), 48)
    assert found.info == copied.info


def test_a_changed_file_is_split_anew(tmp_path, cache):
    train(write(tmp_path / "set", 1), cache)
    assert train(write(tmp_path / "set", 2), cache).inputs[0][1] == 2


def test_a_moved_file_is_found_again(tmp_path, cache):
    train(write(tmp_path / "set", 1), cache)
    (tmp_path / "set").rename(tmp_path / "moved")
    assert train(Npz(str(tmp_path / "moved")), cache).inputs[0][1] == 1


def test_a_file_that_was_copied_and_then_written_to_is_left_alone(tmp_path, cache):
    train(write(tmp_path / "set", 1), cache)
    same = write(tmp_path / "same", 1)
    write(tmp_path / "set", 2)
    assert train(same, cache).inputs[0][1] == 1


@dataclass(frozen=True)
class Undeclared(Dataset):
    """A set whose file does not count in its fingerprint."""

    path: str

    def load(self):
        inputs = np.load(Path(self.path) / "inputs.npy", mmap_mode="r")
        return RawDataset(inputs, np.arange(40) % 2, (2,), ("a", "b"))


def test_a_file_that_does_not_count_in_the_fingerprint_is_copied(tmp_path, cache):
    write(tmp_path / "set")
    assert isinstance(train(Undeclared(str(tmp_path / "set")), cache).inputs, np.ndarray)


@pytest.mark.parametrize("view", [lambda a: a[2:], lambda a: a[:, ::-1], lambda a: a.view(np.int8)])
def test_a_part_of_a_file_is_copied(tmp_path, view):
    write(tmp_path / "set")
    inputs = np.load(tmp_path / "set" / "inputs.npy", mmap_mode="r")
    assert rows_in_place.staying(inputs, 24, [tmp_path])
    assert rows_in_place.staying(view(inputs), 24, [tmp_path]) is None


def test_a_file_in_columns_order_is_copied(tmp_path):
    np.save(tmp_path / "a.npy", np.asfortranarray(np.ones((40, 2))))
    inputs = np.load(tmp_path / "a.npy", mmap_mode="r")
    assert rows_in_place.staying(inputs, 24, [tmp_path]) is None


def test_a_disk_that_is_full_is_told_before_anything_is_written(tmp_path, cache, monkeypatch):
    config = write(tmp_path / "set")
    usage = os.statvfs(tmp_path)
    monkeypatch.setattr(
        "shutil.disk_usage", lambda _: type("Usage", (), {"free": 3, "total": usage.f_blocks})
    )
    with pytest.raises(dataset.UserError, match=r"its rows take 3.2e-08 GB in .*, where 3e-09 GB"):
        train(config, cache)
    assert [path.name for path in cache.iterdir()] == ["lock"]
