import numpy as np
import pytest
from helpers.datasets import write_images
from PIL import Image

from automl.data import arrays
from automl.data.dataset import load
from automl.data.image_folder import ImageFolder
from automl.errors import UserError


def test_a_folder_is_a_class(tmp_path):
    raw = ImageFolder(write_images(tmp_path, ("cat", "dog"), 6, size=(8, 4))).load()
    assert raw.inputs.shape == (12, 3, 8, 4)
    assert raw.inputs.dtype == np.uint8
    assert raw.input_shape == (3, 8, 4)
    assert raw.classes == ("cat", "dog")
    assert raw.targets.tolist() == [0] * 6 + [1] * 6
    assert raw.inputs[8, :, 0, 0].tolist() == [40, 20, 0]


def test_folders_train_and_test_are_the_splits(tmp_path):
    write_images(tmp_path / "train", "ab", 6)
    write_images(tmp_path / "test", "ab", 2)
    raw = ImageFolder(str(tmp_path)).load()
    assert (len(raw.inputs), raw.num_test) == (16, 4)
    assert raw.targets[-4:].tolist() == [0, 0, 1, 1]


def test_what_is_hidden_is_no_image(tmp_path):
    path = write_images(tmp_path, "ab", 6)
    (tmp_path / "a" / ".DS_Store").touch()
    (tmp_path / "b" / ".thumbnails").mkdir()
    (tmp_path / "b" / ".thumbnails" / "0.png").touch()
    assert len(ImageFolder(path).load().inputs) == 12


def test_images_are_resized_and_made_grey(tmp_path):
    write_images(tmp_path, "a", size=(8, 8))
    write_images(tmp_path, "b", size=(16, 20))
    raw = ImageFolder(str(tmp_path), size=(4, 6), channels=1).load()
    assert raw.input_shape == (1, 4, 6)


def test_palettes_and_transparency_become_colours(tmp_path):
    write_images(tmp_path, "ab")
    Image.new("RGBA", (8, 8), (1, 2, 3, 4)).save(tmp_path / "a" / "0.png")
    palette = Image.new("P", (8, 8))
    palette.putpalette([9, 8, 7])
    palette.save(tmp_path / "a" / "1.png", transparency=b"\0")
    raw = ImageFolder(str(tmp_path)).load()
    assert raw.inputs[:2, :, 0, 0].tolist() == [[1, 2, 3], [9, 8, 7]]


def test_many_images_are_mapped_from_a_file(tmp_path, monkeypatch):
    monkeypatch.setattr(arrays, "MAX_ARRAY_BYTES", 100)
    raw = ImageFolder(write_images(tmp_path)).load()
    assert isinstance(raw.inputs, np.memmap)
    assert raw.inputs[7, :, 0, 0].tolist() == [40, 10, 0]


def deep_colours(folder):
    Image.fromarray(np.zeros((8, 8), np.uint16)).save(folder / "a" / "3.png")


def half_a_png(folder):
    path = folder / "b" / "2.png"
    path.write_bytes(path.read_bytes()[:40])


BAD = {
    r"a/notes.txt does not decode": lambda folder: (folder / "a" / "notes.txt").write_text("hi"),
    r"b/2.png does not decode": half_a_png,
    r"a/3.png does not decode \(mode I;16 has more than 8 bits": deep_colours,
    r"/empty is a class without images": lambda folder: (folder / "empty").mkdir(),
    r"b/0.png is 4 x 4 pixels, but .*a/0.png is 8 x 8; give a size": (
        lambda folder: write_images(folder, "b", 1, (4, 4))
    ),
    r"holds a, b, train; leave only train, validation and test": (
        lambda folder: write_images(folder / "train")
    ),
}


@pytest.mark.parametrize("message", BAD)
def test_a_bad_image_or_folder_is_named(tmp_path, message):
    dataset = ImageFolder(write_images(tmp_path))
    BAD[message](tmp_path)
    with pytest.raises(UserError, match=message):
        dataset.load()


def test_a_folder_without_classes_is_told(tmp_path):
    with pytest.raises(UserError, match=r"holds no folders; put the images of each class"):
        ImageFolder(str(tmp_path)).load()


def test_a_class_of_one_image_is_told_with_the_image(tmp_path):
    write_images(tmp_path / "images", "ab")
    path = write_images(tmp_path / "images", "c", 1)
    with pytest.raises(UserError, match=r"class 'c' appears 1 times .*c/0.png"):
        load(ImageFolder(path), 0, tmp_path / "cache")


@pytest.mark.parametrize("wrong", [{"size": (8,)}, {"size": (0, 8)}, {"channels": 2}])
def test_a_size_that_cannot_be_is_told(tmp_path, wrong):
    with pytest.raises(UserError, match=r"size is \(height, width\) in pixels"):
        ImageFolder(write_images(tmp_path), **wrong).load()
