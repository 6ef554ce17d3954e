"""Mutated files: a loader takes them, or tells the user in one sentence; nothing else is raised."""

import bz2
import gzip
import json
import warnings
from pathlib import Path
from random import Random

import numpy as np
import pyarrow as pa
import pytest
from helpers.datasets import (
    mixed_table,
    reviews,
    saved,
    waves,
    write_images,
    write_jsonl,
    write_mnist,
    write_npz,
)
from helpers.mutations import mutate_a_file
from pyarrow import parquet

from automl.data import dataset
from automl.data.dataset import Dataset
from automl.data.idx import MNIST
from automl.data.image_folder import ImageFolder
from automl.data.npz import Npz
from automl.data.series import Series
from automl.data.table import Table
from automl.data.text import Text
from automl.errors import UserError

TS = "% made\n@problemName x\n@timeStamps false\n@classLabel true a b\n@data\n"
ARRAYS = {
    "inputs": np.arange(40.0).reshape(20, 2),
    "targets": np.arange(20) % 2,
    "classes": np.array(["a", "b"]),
}


def packed(folder: Path) -> Table:
    path = Path(mixed_table(folder / "a.csv").path)
    packed = folder / "a.csv.gz"
    packed.write_bytes(gzip.compress(path.read_bytes()))
    return Table(str(packed), "bought")


def semicolons(folder: Path) -> Table:
    rows = [f"{i},5;{1000 + i};{'ab'[i % 2]};{i % 3}" for i in range(20)]
    (folder / "a.csv").write_text("\n".join(["x;y;c;t", *rows]))
    return Table(str(folder / "a.csv"), "t")


def table_in_parquet(folder: Path) -> Table:
    table = pa.table(
        {
            "x": [float(i) for i in range(20)],
            "c": pa.array(["red", "blue"] * 10).dictionary_encode(),
            "y": ["a", "b"] * 10,
        }
    )
    parquet.write_table(table, folder / "a.parquet")
    return Table(str(folder / "a.parquet"), "y")


def texts_in_lines(folder: Path) -> Text:
    rows = [{"text": f"caf\u00e9 {i}", "label": i % 2} for i in range(20)]
    path = write_jsonl(folder / "a.jsonl", rows)
    packed = Path(f"{path}.bz2")
    packed.write_bytes(bz2.compress(Path(path).read_bytes()))
    return Text(path, test_path=str(packed))


def series_in_ts(folder: Path) -> Series:
    lines = "".join(f"{i},{i + 1}.5:{-i},2:{'ab'[i % 2]}\n" for i in range(20))
    (folder / "a.ts").write_text(TS + lines)
    return Series(str(folder / "a.ts"))


def arrays_in_folder(folder: Path) -> Npz:
    for name, array in ARRAYS.items():
        np.save(folder / f"{name}.npy", array)
    return Npz(str(folder))


def jpegs(folder: Path) -> ImageFolder:
    from PIL import Image

    for i in range(20):
        path = folder / "train" / "ab"[i % 2] / f"{i}.{('jpg', 'gif', 'bmp', 'webp')[i % 4]}"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8), (i, 0, 0)).save(path)
    return ImageFolder(str(folder))


LOADERS = {
    "csv": lambda folder: mixed_table(folder / "a.csv"),
    "csv.gz": packed,
    "semicolons": semicolons,
    "parquet": table_in_parquet,
    "text": lambda folder: reviews(folder / "a.csv"),
    "jsonl": texts_in_lines,
    "series": lambda folder: waves(folder / "a.csv"),
    "ts": series_in_ts,
    "npz": lambda folder: Npz(write_npz(folder / "a.npz", **ARRAYS)),
    "npy": arrays_in_folder,
    "png": lambda folder: ImageFolder(write_images(folder / "images")),
    "jpeg": jpegs,
    "idx": lambda folder: MNIST(write_mnist(folder, 20, 10)),
    "idx.gz": lambda folder: MNIST(write_mnist(folder, 20, 10, gz=True)),
    "hub": lambda folder: saved(folder / "a"),
}
SLOW_PIECES, SLOW_FILES = 10, 700


def fuzz(config: Dataset, folder: Path, seed: int, count: int) -> dict[str, int]:
    """Load `count` mutations of a dataset; the number of those that were taken and told."""
    ends, lines = {"taken": 0, "told": 0}, 0
    path = Path(getattr(config, config.paths[0]))
    for number in range(count):
        random = Random(f"{seed} {number}")
        put_back = mutate_a_file(path, random)
        try:
            with warnings.catch_warnings(action="ignore"):
                dataset._prepare(config, 0, folder, folder / "loaded")
            ends["taken"] += 1
        except UserError as error:
            ends["told"] += 1
            lines += str(error).count("\n")
        except Exception as error:
            raise AssertionError(f"mutation {number} of seed {seed}") from error
        finally:
            put_back()
    assert not lines, "a sentence is one line"
    return ends


@pytest.mark.parametrize("name", LOADERS)
def test_a_mutated_file_is_taken_or_told(tmp_path, name):
    (tmp_path / "data").mkdir()
    (tmp_path / "made").mkdir()
    fuzz(LOADERS[name](tmp_path / "data"), tmp_path / "made", 0, 25)


@pytest.mark.slow
@pytest.mark.parametrize("piece", range(1, SLOW_PIECES + 1))
@pytest.mark.parametrize("name", LOADERS)
def test_many_mutated_files_are_taken_or_told(tmp_path, name, piece):
    (tmp_path / "data").mkdir()
    (tmp_path / "made").mkdir()
    ends = fuzz(LOADERS[name](tmp_path / "data"), tmp_path / "made", piece, SLOW_FILES)
    print(json.dumps({"loader": name, "seed": piece, **ends}))
