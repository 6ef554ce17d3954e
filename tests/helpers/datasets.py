"""A small real set of every registered kind of dataset, its files written to a folder."""

import csv
import gzip
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from automl.data.dataset import Dataset
from automl.data.hub import HuggingFace, Torchvision
from automl.data.idx import MNIST, FashionMNIST
from automl.data.image_folder import ImageFolder
from automl.data.linear_map import LinearMap
from automl.data.npz import Npz
from automl.data.series import Series
from automl.data.sklearn import Sklearn
from automl.data.table import Table
from automl.data.text import Text


def write_idx(folder: Path, name: str, values, gz: bool = False, dot: str = "-") -> Path:
    """An array of bytes as an IDX file, e.g. train-images-idx3-ubyte.gz."""
    values = np.asarray(values, np.uint8)
    content = bytes([0, 0, 8, values.ndim]) + np.array(values.shape, ">u4").tobytes()
    content += values.tobytes()
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}{dot}idx{values.ndim}-ubyte{'.gz' if gz else ''}"
    path.write_bytes(gzip.compress(content) if gz else content)
    return path


def write_mnist(folder: Path, num_train: int = 50, num_test: int = 20, **spelling) -> str:
    """The four files; a row's pixels are all its row number, its label the last digit."""
    for name, count in (("train", num_train), ("t10k", num_test)):
        images = np.broadcast_to(np.arange(count)[:, None, None], (count, 28, 28))
        write_idx(folder, f"{name}-images", images, **spelling)
        write_idx(folder, f"{name}-labels", np.arange(count) % 10, **spelling)
    return str(folder)


def write_npz(path: Path, **arrays) -> str:
    np.savez(path, **arrays)
    return str(path)


def write_images(folder: Path, classes="ab", count: int = 6, size=(8, 8)) -> str:
    """PNG files of one colour, a folder per class; `size` is (height, width)."""
    for number, name in enumerate(classes):
        (folder / name).mkdir(parents=True, exist_ok=True)
        for image in range(count):
            colour = (40 * number, 10 * image, 0)
            Image.new("RGB", size[::-1], colour).save(folder / name / f"{image}.png")
    return str(folder)


def write_csv(path: Path, header, rows, delimiter: str = ",") -> str:
    with path.open("w", newline="") as file:
        writer = csv.writer(file, delimiter=delimiter)
        writer.writerows([header, *rows] if header else rows)
    return str(path)


def write_jsonl(path: Path, rows) -> str:
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return str(path)


def mixed_table(path: Path, num_rows: int = 20) -> Table:
    """Numbers, a colour, a number that is missing at times, and a class."""
    rows = [
        (row / 2, "red" if row % 3 else "blue", "" if row % 5 == 4 else row, "ny"[row % 2])
        for row in range(num_rows)
    ]
    return Table(write_csv(path, ("width", "colour", "age", "bought"), rows), "bought")


def reviews(path: Path) -> Text:
    rows = [(f"this is {('bad', 'good')[row % 2]} {row}", row % 2) for row in range(20)]
    return Text(write_csv(path, ("text", "label"), rows))


def waves(path: Path) -> Series:
    rows = [(row % 2, *np.sin(np.arange(8) + row)) for row in range(20)]
    return Series(write_csv(path, (), rows))


def saved(folder: Path) -> HuggingFace:
    datasets = pytest.importorskip("datasets")
    rows = {"text": [f"row {row}" for row in range(20)], "label": [row % 2 for row in range(20)]}
    datasets.Dataset.from_dict(rows).save_to_disk(str(folder))
    return HuggingFace(path=str(folder))


def torchvision_mnist(folder: Path) -> Torchvision:
    pytest.importorskip("torchvision")
    write_mnist(folder / "MNIST" / "raw")
    return Torchvision("MNIST", str(folder))


INPUTS = np.arange(40, dtype=np.float32).reshape(20, 2)
EXAMPLES: dict[str, Callable[[Path], Dataset]] = {
    "FashionMNIST": lambda folder: FashionMNIST(write_mnist(folder, gz=True)),
    "HuggingFace": lambda folder: saved(folder / "saved"),
    "ImageFolder": lambda folder: ImageFolder(write_images(folder / "images")),
    "LinearMap": lambda folder: LinearMap(num_rows=50),
    "MNIST": lambda folder: MNIST(write_mnist(folder)),
    "Npz": lambda folder: Npz(
        write_npz(folder / "a.npz", inputs=INPUTS, targets=np.arange(20) % 2)
    ),
    "Series": lambda folder: waves(folder / "waves.csv"),
    "Sklearn": lambda folder: Sklearn("iris"),
    "Table": lambda folder: mixed_table(folder / "table.csv"),
    "Text": lambda folder: reviews(folder / "reviews.csv"),
    "Torchvision": lambda folder: torchvision_mnist(folder / "torchvision"),
}
"""By class name; the contract test takes one of each, and fails for a kind that has none."""
