import sys
from types import SimpleNamespace

import numpy as np
import pytest
from helpers.datasets import write_images
from PIL import Image

from automl.data.dataset import load
from automl.data.hub import HuggingFace, Torchvision
from automl.errors import UserError


@pytest.fixture
def datasets():
    return pytest.importorskip("datasets")


def save(datasets, folder, features=None, splits=("train",), **columns):
    rows = datasets.Dataset.from_dict(columns, features and datasets.Features(features))
    datasets.DatasetDict(dict.fromkeys(splits, rows)).save_to_disk(str(folder / "saved"))
    return str(folder / "saved")


@pytest.mark.parametrize(
    ("dataset", "message"),
    [
        (
            HuggingFace("imdb"),
            r"HuggingFace needs the package 'datasets'; install it: pip ",
        ),
        (Torchvision("CIFAR10", "."), r"pip install 'frontier-automl\[torchvision\]'"),
    ],
)
def test_a_package_that_is_not_installed_is_told(monkeypatch, dataset, message):
    monkeypatch.setitem(sys.modules, "datasets", None)
    monkeypatch.setitem(sys.modules, "torchvision", None)
    with pytest.raises(UserError, match=message):
        dataset.load()


def test_texts_with_named_classes_and_a_test_split(datasets, tmp_path):
    features = {"text": datasets.Value("string"), "label": datasets.ClassLabel(names=["no", "yes"])}
    columns = {"text": ["a", "b\u00e9"], "label": [1, 0]}
    path = save(datasets, tmp_path, features, ("train", "test"), **columns)
    raw = HuggingFace(path=path, length=4).load()
    assert bytes(raw.inputs[1]) == b"b\xc3\xa9\0"
    assert (raw.classes, raw.targets.tolist()) == (("no", "yes"), [1, 0, 1, 0])
    assert (raw.num_test, raw.input_shape, raw.num_tokens) == (2, (4,), 256)


def test_images_are_resized(datasets, tmp_path):
    images = [Image.new("RGB", (width, 8), (width, 0, 9)) for width in (8, 6)]
    features = {"image": datasets.Image(), "label": datasets.Value("int64")}
    path = save(datasets, tmp_path, features, image=images, label=[3, 5])
    raw = HuggingFace(path=path, size=(4, 5)).load()
    assert (raw.input_shape, raw.inputs.dtype) == ((3, 4, 5), np.uint8)
    assert raw.inputs[:, :, 0, 0].tolist() == [[8, 0, 9], [6, 0, 9]]
    assert raw.classes == ("3", "5")


def test_lists_of_numbers_and_a_regression(datasets, tmp_path):
    path = save(datasets, tmp_path, x=[[1, 2], [3, 4]], name=["a", "b"], y=[0.5, 1.5])
    raw = HuggingFace(path=path, input="x", label="y").load()
    assert raw.inputs.tolist() == [[1, 2], [3, 4]]
    assert raw.inputs.dtype == raw.targets.dtype == np.float32
    assert (raw.targets.tolist(), raw.classes) == ([[0.5], [1.5]], ())


BAD = {
    r"choose `input` and `label` of x, z": ({"x": ["a"], "z": [0]}, {}),
    r"choose `input` and `label` of label, x, z": ({"label": [0], "x": ["a"], "z": ["b"]}, {}),
    r"choose `input` and `label` of label": ({"label": [0]}, {}),
    r"cannot be loaded: .* check its name and rows": ({"x": [], "label": []}, {}),
    r"the split 'valid' has no rows; there is \['train'\]": (
        {"x": ["a"], "label": [0]},
        {"split": "valid"},
    ),
    r"row 1 \(counted from 0\) of the split 'train' of .*saved.* has no text": (
        {"x": ["a", ""], "label": [0, 1]},
        {},
    ),
    r"row 1 .* has no 'label'": ({"x": ["a", "b"], "label": [0, None]}, {}),
    r"column 'x' holds List\(Value\('int64'\)\)": ({"x": [[1], [1, 2]], "label": [0, 1]}, {}),
    r"column 'x' holds Value\('int64'\); images, texts": ({"x": [1, 2], "label": [0, 1]}, {}),
}


@pytest.mark.parametrize("message", BAD)
def test_a_bad_column_or_row_is_told(datasets, tmp_path, message):
    columns, options = BAD[message]
    dataset = HuggingFace(path=save(datasets, tmp_path, **columns), **options)
    with pytest.raises(UserError, match=message):
        dataset.load()


def test_a_test_split_without_rows_is_told(datasets, tmp_path, monkeypatch):
    """But the usual one need not be there."""
    rows = {"x": ["a", "b"] * 10, "label": [0, 1] * 10}
    path = save(datasets, tmp_path, **rows)
    assert HuggingFace(path=path).load().num_test == 0
    assert len(HuggingFace(path=path, test_split="train").load().targets) == 20
    with pytest.raises(UserError, match=r"the split 'tset' has no rows; there is \['train'\]"):
        HuggingFace(path=path, test_split="tset").load()
    full = datasets.Dataset.from_dict(rows)
    both = datasets.DatasetDict(train=full, test=full.select([]))
    monkeypatch.setattr(datasets, "load_dataset", lambda name, config: both)
    with pytest.raises(UserError, match=r"the split 'test' has no rows; there is \['train'\]"):
        HuggingFace("both").load()
    assert HuggingFace("both", test_split="").load().num_test == 0


@pytest.mark.parametrize(
    ("options", "num_validation", "num_test"),
    [
        ({"test_split": "validation"}, 0, 4),
        ({"validation_split": "test"}, 2, 0),
        ({"test_split": "train"}, 4, 0),
        ({"validation_split": "train"}, 0, 2),
    ],
)
def test_a_split_of_two_names_has_one_use(datasets, tmp_path, options, num_validation, num_test):
    sizes = {"train": 20, "validation": 4, "test": 2}
    rows = {
        name: datasets.Dataset.from_dict({"x": [name] * size, "label": [0, 1] * (size // 2)})
        for name, size in sizes.items()
    }
    datasets.DatasetDict(rows).save_to_disk(str(tmp_path / "saved"))
    raw = HuggingFace(path=str(tmp_path / "saved"), length=5, **options).load()
    assert (raw.num_learned, raw.num_validation, raw.num_test) == (20, num_validation, num_test)
    assert len(raw.targets) == 20 + num_validation + num_test


def test_a_split_that_shall_validate_and_test_is_told(datasets, tmp_path):
    path = save(datasets, tmp_path, None, ("train", "dev"), x=["a", "b"] * 10, label=[0, 1] * 10)
    with pytest.raises(UserError, match=r"the split 'dev' cannot both validate and test; name"):
        HuggingFace(path=path, validation_split="dev", test_split="dev").load()


def test_a_folder_that_holds_no_set_is_told(datasets, tmp_path):
    with pytest.raises(UserError, match=r"HuggingFace\(.*cannot be loaded"):
        HuggingFace(path=str(tmp_path)).load()
    with pytest.raises(UserError, match=r"give either the name on the hub or the path"):
        HuggingFace().load()


class Arrays:
    """As torchvision's CIFAR10: arrays with the channels last."""

    classes = ("cat", "dog")

    def __init__(self, root, train, download):
        count = 20 if train else 4
        self.data = np.full((count, 8, 6, 3), count, np.uint8)
        self.targets = [row % 2 for row in range(count)]

    def __len__(self):
        return len(self.targets)


class Pairs:
    """A set that only gives pairs of an image and a class."""

    def __init__(self, root, train, download):
        self.rows = [(Image.new("L", (6, 8), row), row % 2) for row in range(20 if train else 4)]

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, row):
        return self.rows[row]


def untested(root, train, download):
    pairs = Pairs(root, train, download)
    pairs.rows = pairs.rows if train else []
    return pairs


def missing(root, train, download):
    raise RuntimeError("Dataset not found")


@pytest.fixture
def torchvision(monkeypatch):
    """Stands for the package, which has no build for every machine."""
    sets = SimpleNamespace(Arrays=Arrays, Pairs=Pairs, Untested=untested, Missing=missing)
    monkeypatch.setitem(sys.modules, "torchvision", SimpleNamespace(datasets=sets))


@pytest.mark.parametrize(("name", "classes"), [("Arrays", ("cat", "dog")), ("Pairs", ("0", "1"))])
def test_a_torchvision_set_gives_images_and_its_test_split(torchvision, tmp_path, name, classes):
    raw = Torchvision(name, str(tmp_path)).load()
    assert raw.inputs.shape == (24, 3, 8, 6)
    assert (raw.input_shape, raw.num_test) == ((3, 8, 6), 4)
    assert (raw.classes, raw.targets.tolist()) == (classes, [0, 1] * 12)


def test_a_torchvision_set_that_is_not_there_is_told(torchvision, tmp_path):
    with pytest.raises(UserError, match=r"cannot be loaded: Dataset not found; look into "):
        Torchvision("Missing", str(tmp_path)).load()
    with pytest.raises(UserError, match=r"its test split has no rows; look into "):
        Torchvision("Untested", str(tmp_path)).load()
    with pytest.raises(UserError, match=r"torchvision.datasets has no 'Mnist'"):
        Torchvision("Mnist", str(tmp_path)).load()


def test_a_saved_set_is_prepared_like_any_other(datasets, tmp_path):
    write_images(tmp_path / "images", "ab", 10)
    files = sorted(str(file) for file in (tmp_path / "images").rglob("*.png"))
    features = {"image": datasets.Image(), "label": datasets.ClassLabel(names=["a", "b"])}
    labels = [0] * 10 + [1] * 10
    dataset = HuggingFace(path=save(datasets, tmp_path, features, image=files, label=labels))
    data = load(dataset, 0, tmp_path / "cache")
    assert data.info.input_shape == (3, 8, 8)
    assert len(data.train.inputs) == 12
