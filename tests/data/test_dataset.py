import hashlib
import os
import shutil
import subprocess
import sys
import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from helpers.datasets import (
    EXAMPLES,
    mixed_table,
    reviews,
    waves,
    write_images,
    write_mnist,
    write_npz,
)

from automl.config import choices
from automl.data import arrays, dataset
from automl.data.content_hash import content_hash
from automl.data.dataset import Dataset
from automl.data.idx import MNIST
from automl.data.image_folder import ImageFolder
from automl.data.linear_map import LinearMap
from automl.data.npz import Npz
from automl.errors import UserError
from automl.space import space_file

LOADED = """
import os, sys, time
from pathlib import Path
from automl.data import dataset
from automl import Npz
folder, load = Path(sys.argv[1]), Npz.load
def counted(self):
    (folder / f"loaded-{os.getpid()}").touch()
    time.sleep(0.5)
    return load(self)
Npz.load = counted
dataset.load(Npz(str(folder / "a.npz")), 0, folder / "cache")
"""

SPACE = """
from dataclasses import dataclass
import numpy as np
from automl import Dataset, RawDataset
from automl import MLP
from automl import Int, Space, TrialConfig
from automl import Train

def first():
    return 1.0

@dataclass(frozen=True)
class Homemade(Dataset):
    def load(self):
        inputs = np.full((20, 2), first(), np.float32)
        return RawDataset(inputs, np.arange(20) % 2, (2,), ("a", "b"))

space = Space(TrialConfig(Homemade(), MLP((Int(4, 8),)), (Train(),)))
"""


@pytest.fixture
def cache(tmp_path):
    return tmp_path / "cache"


def two_classes(folder, num_rows=40, **more):
    inputs = np.arange(2.0 * num_rows).reshape(num_rows, 2)
    targets = (np.arange(num_rows) % 4 == 0).astype(int)
    return Npz(write_npz(folder / "a.npz", inputs=inputs, targets=targets, **more))


def parts(config, seed, cache):
    data = dataset.load(config, seed, cache)
    return data.train, data.validation, dataset.test_split(config, seed, cache)


def test_every_class_is_split_in_the_same_shares(tmp_path, cache):
    splits = parts(two_classes(tmp_path), 0, cache)
    assert [len(split.inputs) for split in splits] == [24, 8, 8]
    assert [int(split.targets.sum()) for split in splits] == [6, 2, 2]
    assert sorted(row for split in splits for row in split.rows) == list(range(40))
    for split in splits:
        assert split.inputs[:, 0].tolist() == (2 * split.rows).tolist()


def test_a_class_of_three_rows_has_a_row_in_each_part(tmp_path, cache):
    targets = (np.arange(60) % 20 == 0).astype(int)
    path = write_npz(tmp_path / "a.npz", inputs=np.ones((60, 2)), targets=targets)
    for seed in range(5):
        splits = parts(Npz(path), seed, cache)
        assert [int(split.targets.sum()) for split in splits] == [1, 1, 1]


def test_the_seed_decides_the_split(tmp_path, cache):
    config = two_classes(tmp_path)
    first = [split.rows.tolist() for split in parts(config, 1, cache)]
    shutil.rmtree(cache)
    dataset._load.cache_clear()
    assert [split.rows.tolist() for split in parts(config, 1, cache)] == first
    assert [split.rows.tolist() for split in parts(config, 2, cache)] != first


def test_an_own_test_split_is_kept_and_counted_after_the_other_rows(tmp_path, cache):
    train, validation, test = parts(MNIST(write_mnist(tmp_path / "mnist", 50, 20)), 0, cache)
    assert test.rows.tolist() == list(range(50, 70))
    assert test.inputs[:, 0, 0].tolist() == list(range(20))
    assert sorted([*train.rows, *validation.rows]) == list(range(50))


def test_a_regression_is_split_with_its_outputs(cache):
    splits = parts(LinearMap(num_rows=50, num_outputs=3), 0, cache)
    assert [split.targets.shape for split in splits] == [(30, 3), (10, 3), (10, 3)]
    info = dataset.load(LinearMap(num_rows=50, num_outputs=3), 0, cache).info
    assert (info.num_outputs, info.classes, info.class_counts) == (3, (), ())


def test_what_is_known_of_a_set(tmp_path, cache):
    info = dataset.load(mixed_table(tmp_path / "a.csv"), 0, cache).info
    assert (info.input_shape, info.num_outputs, info.classes) == ((4,), 2, ("n", "y"))
    assert info.class_counts == (6, 6)
    assert [column.name for column in info.columns] == ["width", "colour", "age"]
    assert dataset.load(reviews(tmp_path / "b.csv"), 0, cache).info.num_tokens == 256


def test_missing_values_survive(tmp_path, cache):
    splits = parts(mixed_table(tmp_path / "a.csv"), 0, cache)
    missing = {row for s in splits for row in s.rows[np.isnan(s.inputs[:, 2])].tolist()}
    assert missing == {4, 9, 14, 19}


def per_channel(inputs, axes):
    values = inputs.astype(np.float64)
    return np.mean(values, axes), np.std(values, axes)


@pytest.mark.parametrize(
    ("make", "axes"),
    [
        (lambda folder: ImageFolder(write_images(folder / "images")), (0, 2, 3)),
        (lambda folder: MNIST(write_mnist(folder / "mnist")), None),
        (lambda folder: waves(folder / "waves.csv"), (0, 2)),
        (two_classes, 0),
        (lambda folder: LinearMap(num_rows=50), 0),
    ],
    ids=["images", "grey", "series", "features", "regression"],
)
def test_the_scaling_is_the_mean_and_deviation_of_the_training_rows(tmp_path, cache, make, axes):
    data = dataset.load(make(tmp_path), 0, cache)
    mean, std = per_channel(data.train.inputs, axes)
    std = np.where(std == 0, 1, std)
    assert data.info.inputs.mean == pytest.approx(np.atleast_1d(mean))
    assert data.info.inputs.std == pytest.approx(np.atleast_1d(std))
    if not data.info.classes:
        mean, std = per_channel(data.train.targets, 0)
        assert data.info.targets.mean == pytest.approx(mean)
        assert data.info.targets.std == pytest.approx(std)


@pytest.mark.parametrize(
    ("unit", "std"), [(1e-13, 5e-14), (1e-19, 5e-20), (1e-40, arrays.LEAST_STD), (0, 1)]
)
def test_numbers_in_small_units_are_scaled(unit, std):
    values = np.tile([1.0, 2.0], 20)[:, None] * unit
    (found,) = arrays.moments([values.astype(np.float32)])[1]
    assert found == pytest.approx(std, rel=1e-3)


@pytest.mark.parametrize("value", [0.1, -3e7, 1e-13, 1e-40])
def test_a_constant_has_the_deviation_1(value):
    assert arrays.moments([np.full((1000, 1), value, np.float32)] * 3)[1] == (1.0,)


def test_missing_values_and_categories_do_not_count_in_the_scaling(tmp_path, cache):
    data = dataset.load(mixed_table(tmp_path / "a.csv"), 0, cache)
    numeric = data.train.inputs[:, [0, 2]].astype(np.float64)
    assert data.info.inputs.mean == pytest.approx(np.nanmean(numeric, 0))
    assert data.info.inputs.std == pytest.approx(np.nanstd(numeric, 0))
    assert dataset.load(reviews(tmp_path / "b.csv"), 0, cache).info.inputs.mean == ()


def test_a_piece_of_large_rows_is_few_of_them(tmp_path, cache, monkeypatch):
    monkeypatch.undo()  # what compares them with the rows of `predict` holds them all
    images = np.arange(3 * 64 * 64, dtype=np.uint8).reshape(1, 3, 64, 64).repeat(2500, 0)
    path = write_npz(tmp_path / "a.npz", inputs=images, targets=np.arange(2500) % 2)
    tracemalloc.start()
    data = dataset.load(Npz(path), 0, cache)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < images.nbytes + 12 * arrays.CHUNK_BYTES
    assert data.info.inputs.mean == pytest.approx([127.5] * 3)


def test_pieces_add_up(tmp_path, cache, monkeypatch):
    whole = dataset.load(two_classes(tmp_path), 0, tmp_path / "whole")
    monkeypatch.setattr(arrays, "CHUNK_BYTES", 20)
    pieces = dataset.load(two_classes(tmp_path), 0, cache)
    assert np.array_equal(pieces.train.inputs, whole.train.inputs)
    assert pieces.info.inputs.mean == pytest.approx(whole.info.inputs.mean)
    assert pieces.info.inputs.std == pytest.approx(whole.info.inputs.std)


def test_the_prepared_arrays_are_mapped(tmp_path, cache):
    for split in parts(two_classes(tmp_path), 0, cache):
        assert all(isinstance(a, np.memmap) for a in (split.inputs, split.targets, split.rows))


def test_a_set_is_loaded_once_even_by_another_process(tmp_path, cache, monkeypatch):
    config = two_classes(tmp_path)
    first = dataset.load(config, 0, cache)
    monkeypatch.setattr(Npz, "load", None)
    dataset._load.cache_clear()
    assert np.array_equal(dataset.load(config, 0, cache).train.inputs, first.train.inputs)
    subprocess.run([sys.executable, "-c", LOADED, tmp_path], check=True)
    assert not list(tmp_path.glob("loaded-*"))


def test_two_processes_at_once_make_it_once(tmp_path, cache):
    two_classes(tmp_path)
    both = [subprocess.Popen([sys.executable, "-c", LOADED, tmp_path]) for _ in range(2)]
    assert [process.wait() for process in both] == [0, 0]
    assert len(list(tmp_path.glob("loaded-*"))) == 1


def test_what_a_killed_process_left_is_made_anew(tmp_path, cache):
    config = two_classes(tmp_path)
    dataset.load(config, 0, cache)
    (made,) = (path for path in cache.iterdir() if path.is_dir())
    made.rename(made.with_suffix(".new"))
    (made.with_suffix(".new") / "train.inputs.npy").write_bytes(b"half")
    dataset._load.cache_clear()
    assert len(dataset.load(config, 0, cache).train.inputs) == 24


def test_what_a_killed_process_left_of_another_set_is_removed(tmp_path, cache):
    (cache / "other.new").mkdir(parents=True)
    dataset.load(two_classes(tmp_path), 0, cache)
    assert not (cache / "other.new").exists()


@pytest.mark.parametrize("kind", [UserError, KeyboardInterrupt])
def test_a_set_that_fails_leaves_nothing(tmp_path, cache, monkeypatch, kind):
    def fail(*_):
        raise kind

    monkeypatch.setattr(dataset, "moments", fail)
    with pytest.raises(kind):
        dataset.load(two_classes(tmp_path), 0, cache)
    assert [path.name for path in cache.iterdir()] == ["lock"]


def test_sets_share_one_lock_file(tmp_path, cache):
    for seed in range(2):
        dataset.load(two_classes(tmp_path), seed, cache)
    assert [path.name for path in cache.iterdir() if path.is_file()] == ["lock"]


def homemade(text):
    return space_file.load(text).trial.dataset


def test_an_edited_dataset_of_a_space_file_is_loaded_again(cache):
    assert dataset.load(homemade(SPACE), 0, cache).train.inputs.max() == 1
    edited = SPACE.replace("1.0", "2.0")
    assert dataset.load(homemade(edited), 0, cache).train.inputs.max() == 2


def test_the_domains_of_a_space_file_do_not_count_for_its_dataset():
    wider = homemade(SPACE.replace("Int(4, 8)", "Int(4, 16)"))
    assert homemade(SPACE).fingerprint() == wider.fingerprint()


@pytest.mark.parametrize("kind", [kind for kind in EXAMPLES if choices(Dataset)[kind].paths])
def test_a_moved_set_keeps_its_fingerprint_and_a_changed_one_does_not(tmp_path, kind):
    (tmp_path / "here").mkdir()
    config = EXAMPLES[kind](tmp_path / "here")
    before, name = config.fingerprint(), config.paths[0]
    shutil.copytree(tmp_path / "here", tmp_path / "there")
    path = Path(str(getattr(config, name)).replace("/here", "/there"))
    moved = replace(config, **{name: str(path)})
    assert moved.fingerprint() == before
    file = next(p for p in sorted([path, *path.rglob("*")]) if p.is_file())
    file.write_bytes(file.read_bytes() + b"\n")
    assert moved.fingerprint() != before


def test_a_folder_is_its_names_and_contents(tmp_path):
    (tmp_path / "a").write_text("1")
    before = content_hash(tmp_path)
    (tmp_path / "a").rename(tmp_path / "b")
    assert content_hash(tmp_path) != before


def test_the_folder_in_which_a_search_runs_counts_by_what_it_holds(tmp_path, monkeypatch, cache):
    for name, value in (("a", 1.0), ("b", 2.0)):
        (tmp_path / name).mkdir()
        np.save(tmp_path / name / "inputs.npy", np.full((20, 2), value, np.float32))
        np.save(tmp_path / name / "targets.npy", np.arange(20) % 2)
        monkeypatch.chdir(tmp_path / name)
        assert dataset.load(Npz("."), 0, cache).train.inputs.max() == value


def test_a_path_that_is_left_empty_is_not_the_folder_in_which_a_search_runs(tmp_path, monkeypatch):
    config = mixed_table(tmp_path / "a.csv")
    (tmp_path / "b").mkdir()
    monkeypatch.chdir(tmp_path / "b")
    before = config.fingerprint()
    (tmp_path / "b" / "LICENSE").touch()
    assert (config.fingerprint(), config.licence()) == (before, "")


def test_what_is_hidden_in_a_folder_does_not_count(tmp_path):
    (tmp_path / "a").write_text("1")
    before = content_hash(tmp_path)
    (tmp_path / ".DS_Store").write_text("2")
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "head").write_text("3")
    assert content_hash(tmp_path) == before


def test_each_file_of_a_large_folder_is_read_once(tmp_path, monkeypatch):
    for number in range(1100):
        (tmp_path / str(number)).touch()
    before = content_hash(tmp_path)
    monkeypatch.setattr(hashlib, "file_digest", None)
    assert content_hash(tmp_path) == before
    monkeypatch.undo()
    (tmp_path / "7").write_text("changed")
    assert content_hash(tmp_path) != before


def test_a_path_that_is_not_there_is_told_with_the_machine(tmp_path, cache):
    message = rf"there is no {tmp_path}/no.npz on {os.uname().nodename}; check the path"
    with pytest.raises(UserError, match=message):
        dataset.load(Npz(str(tmp_path / "no.npz")), 0, cache)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"inputs": np.ones((9, 2)), "targets": np.ones(9)}, r"it has 9 rows to learn from; at"),
        (
            {
                "inputs": np.ones((9, 2)),
                "targets": np.arange(9) % 2,
                "test_inputs": np.ones((9, 2)),
                "test_targets": np.arange(9) % 2,
            },
            r"it has 9 rows to learn from; at least 10",
        ),
        (
            {"inputs": np.ones((12, 2)), "targets": np.full(12, 0.5)},
            r"the target is the same in every row to learn from; choose",
        ),
        (
            {
                "inputs": np.ones((12, 2)),
                "test_inputs": np.ones((12, 2)),
                "targets": np.stack([np.arange(12.0), np.full(12, 0.5)], 1),
                "test_targets": np.random.default_rng(0).random((12, 2)),
            },
            r"the target is the same in every row to learn from in output 1 \(counted from 0\)",
        ),
        ({"inputs": np.ones((12, 2)), "targets": [0] * 12}, r"there is only the class '0'"),
        (
            {"inputs": np.ones((12, 2)), "targets": [*[0] * 10, 1, 1]},
            r"class '1' appears 2 times .*\(row 10 \(counted from 0\), row 11 .* at least 3 rows",
        ),
        (
            {"inputs": np.ones((12, 2)), "targets": [*[0.0] * 11, np.inf]},
            r"row 11 \(counted from 0\) holds a value that is not finite among its targets",
        ),
    ],
)
def test_what_cannot_be_learned_from_is_told_with_the_file(tmp_path, cache, arrays, message):
    with pytest.raises(UserError, match=rf"Npz\(path='.*a.npz'.*{message}"):
        dataset.load(Npz(write_npz(tmp_path / "a.npz", **arrays)), 0, cache)
    assert [path.name for path in cache.iterdir()] == ["lock"]
