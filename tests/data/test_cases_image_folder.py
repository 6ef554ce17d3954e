"""Images as people have them: read as their owner means them, or told in one sentence."""

import io
import re
import struct
import warnings
from pathlib import Path

import pytest
from helpers.cases import said, write
from helpers.datasets import write_images
from PIL import Image

from automl.data import dataset
from automl.data.image_folder import ImageFolder


def test_a_folder_of_validation_images_is_the_validation_split(tmp_path):
    for name, count in (("train", 9), ("Val", 3), ("testing", 2)):
        write_images(tmp_path / "images" / name, "ab", count)
    config = ImageFolder(str(tmp_path / "images"))
    raw = config.load()
    assert (raw.classes, raw.num_validation, raw.num_test) == (("a", "b"), 6, 4)
    data = dataset.load(config, 0, tmp_path / "cache")
    assert data.validation.rows.tolist() == list(range(18, 24))
    assert dataset.test_split(config, 0, tmp_path / "cache").rows.tolist() == list(range(24, 28))
    assert "6 to validate (the data's own), 4 to test (the data's own)" in said(config, tmp_path)


def test_without_a_test_folder_the_test_rows_are_drawn_from_the_training_images(tmp_path):
    for name, count in (("train", 10), ("val", 3)):
        write_images(tmp_path / "images" / name, "ab", count)
    config = ImageFolder(str(tmp_path / "images"))
    data = dataset.load(config, 0, tmp_path / "cache")
    test = dataset.test_split(config, 0, tmp_path / "cache")
    assert [len(split.rows) for split in (data.train, data.validation, test)] == [16, 6, 4]
    assert max(test.rows) < 20


@pytest.mark.parametrize("name", ["Thumbs.db", "desktop.ini", ".DS_Store", "__MACOSX/a/._0.png"])
def test_files_that_systems_leave_are_no_images(tmp_path, name):
    path = write_images(tmp_path / "images", "ab")
    write(Path(path) / "a" / name, b"x")
    assert len(ImageFolder(path).load().inputs) == 12


def test_folders_of_classes_may_be_called_as_splits_are(tmp_path):
    path = write_images(tmp_path / "images", ("train", "car", "plane"))
    assert ImageFolder(path).load().classes == ("car", "plane", "train")


def photo(notes, size=(8, 8)):
    """The bytes of a JPEG with a camera's notes (a TIFF's header and tags)."""
    picture = io.BytesIO()
    Image.new("RGB", size).save(picture, "JPEG")
    exif = b"Exif\0\0" + notes
    start = b"\xff\xd8\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif
    return start + picture.getvalue()[2:]


def test_a_photo_on_its_side_with_an_odd_note_is_upright(tmp_path):
    path = write_images(tmp_path / "images", "ab", size=(8, 4))
    # Orientation 6, and a text where a number should be, which Pillow cannot write again.
    tags = struct.pack("<HHHII", 2, 0x0112, 3, 1, 6) + struct.pack("<HHII", 290, 2, 6, 38)
    notes = b"II*\0\x08\0\0\0" + tags + bytes(4) + b"Maker\0"
    write(Path(path) / "a" / "9.jpg", photo(notes, size=(8, 4)))
    assert ImageFolder(path).load().inputs.shape == (13, 3, 8, 4)


def test_a_cameras_notes_do_not_warn(tmp_path):
    path = write_images(tmp_path / "images", "ab")
    write(Path(path) / "a" / "9.jpg", photo(b"II*\0\x08\0\0\0\x05\0\x12\x01"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(ImageFolder(path).load().inputs) == 13


def animated(folder):
    frames = [Image.new("P", (8, 8), number) for number in range(3)]
    frames[0].save(folder / "a" / "9.gif", save_all=True, append_images=frames[1:])


IMAGES_TAKEN = {
    "GIF": animated,
    "CMYK": lambda folder: Image.new("CMYK", (8, 8)).save(folder / "a" / "9.jpg"),
    "black and white": lambda folder: Image.new("1", (8, 8)).save(folder / "a" / "9.png"),
    "grey and alpha": lambda folder: Image.new("LA", (8, 8)).save(folder / "a" / "9.png"),
    "upper case": lambda folder: Image.new("RGB", (8, 8)).save(folder / "a" / "9.PNG"),
}


@pytest.mark.parametrize("name", IMAGES_TAKEN)
def test_images_of_any_kind_are_taken(tmp_path, name):
    path = write_images(tmp_path / "images", "ab")
    IMAGES_TAKEN[name](Path(path))
    assert ImageFolder(path).load().inputs.shape == (13, 3, 8, 8)


IMAGES_TOLD = {
    "one folder around": (lambda f: write_images(f / "photos"), r"holds only the folder photos; g"),
    "two of one kind": (
        lambda f: [write_images(f / name) for name in ("train", "val", "valid")],
        r"holds train, val, valid; leave only train, validation and test there, one of each",
    ),
    "no train": (
        lambda f: [write_images(f / name) for name in ("val", "test")],
        r"holds test, val; leave only train, validation and test there",
    ),
    "a test without classes": (
        lambda f: [write_images(f / "train"), write_images(f, ("test",))],
        r"test holds no folders; put the images of each class in one of its own",
    ),
    "a class only in validation": (
        lambda f: [write_images(f / "train"), write_images(f / "val", "abc")],
        r"class 'c' appears 0 times among the rows to learn from",
    ),
    "a class not in validation": (
        lambda f: [write_images(f / "train", "abc"), write_images(f / "val", "ab")],
        r"class 'c' has no row in the validation split; add some there",
    ),
    "no images": (lambda f: write(f / "a" / "b.csv", "x"), r"b.csv does not decode"),
}


@pytest.mark.parametrize("name", IMAGES_TOLD)
def test_images_that_cannot_be_meant_are_told(tmp_path, name):
    make, wanted = IMAGES_TOLD[name]
    (tmp_path / "images").mkdir()
    make(tmp_path / "images")
    text = said(ImageFolder(str(tmp_path / "images")), tmp_path)
    assert re.search(wanted, text), text
