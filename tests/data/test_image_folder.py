import numpy as np
import pytest
from helpers.datasets import write_images
from PIL import ExifTags, Image

from automl.data import arrays
from automl.data.dataset import load
from automl.data.image_folder import ImageFolder
from automl.data.pixels import MODES, decoded, pixels
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


def transparent_pictures():
    """Pictures of one pixel of each way to be transparent, and what is seen of them on white."""
    palette, in_palette = Image.new("P", (8, 8)), Image.new("P", (8, 8))
    palette.putpalette([9, 8, 7])
    in_palette.putpalette([9, 8, 7, 102], "RGBA")
    red, grey = Image.new("RGB", (8, 8), (9, 0, 0)), Image.new("L", (8, 8), 7)
    bit = Image.new("1", (8, 8), 0)
    return [
        (Image.new("RGBA", (8, 8), (0, 0, 0, 0)), {}, [255, 255, 255]),
        (Image.new("RGBA", (8, 8), (5, 100, 250, 51)), {}, [205, 224, 254]),
        (Image.new("RGBA", (8, 8), (1, 2, 3, 255)), {}, [1, 2, 3]),
        (Image.new("LA", (8, 8), (0, 102)), {}, [153, 153, 153]),
        (palette, {}, [9, 8, 7]),
        (palette, {"transparency": b"\0"}, [255, 255, 255]),
        (palette, {"transparency": 0}, [255, 255, 255]),
        (in_palette, {}, [157, 156, 156]),
        (red, {"transparency": (9, 0, 0)}, [255, 255, 255]),
        (red, {"transparency": (8, 0, 0)}, [9, 0, 0]),
        (grey, {"transparency": 7}, [255, 255, 255]),
        (bit, {"transparency": 0}, [255, 255, 255]),
    ]


def test_what_is_transparent_is_white_as_in_viewers(tmp_path):
    write_images(tmp_path, "b")
    (tmp_path / "a").mkdir()
    pictures = transparent_pictures()
    for number, (picture, options, _) in enumerate(pictures):
        picture.save(tmp_path / "a" / f"{number:02}.png", **options)
    for channels in (3, 1):
        raw = ImageFolder(str(tmp_path), channels=channels).load()
        wanted = [Image.new("RGB", (1, 1), tuple(colour)) for _, _, colour in pictures]
        seen = [np.atleast_1d(one.convert(MODES[channels]).getpixel((0, 0))) for one in wanted]
        np.testing.assert_array_equal(raw.inputs[: len(pictures), :, 0, 0], seen)


def test_pictures_of_one_colour_alone_are_told(tmp_path):
    for name in ("a", "b"):
        (tmp_path / "images" / name).mkdir(parents=True)
        for number in range(10):
            drawn = Image.new("LA", (8, 8))
            drawn.paste((255, 255), (number % 4, 2, 6, 6))
            drawn.save(tmp_path / "images" / name / f"{number}.png")
    source = ImageFolder(str(tmp_path / "images"))
    with pytest.raises(
        UserError, match=r"all pictures are plain, of the one colour \[255, 255, 25"
    ):
        load(source, 0, tmp_path / "cache")
    Image.new("RGB", (8, 8), (255, 255, 254)).save(tmp_path / "images" / "b" / "9.png")
    load(source, 0, tmp_path / "cache")


def test_a_picture_that_was_asked_about_stays_as_it_was():
    picture = Image.new("P", (8, 8))
    picture.info["transparency"] = 0
    assert pixels(picture, (4, 4), 3).min() == 255
    assert pixels(picture, (4, 4), 3).min() == 255


def test_a_transparent_photo_on_its_side_is_upright(tmp_path):
    turned = Image.Exif()
    turned[ExifTags.Base.Orientation] = 6
    for name in ("a.png", "a.webp"):
        Image.new("RGBA", (8, 4)).save(tmp_path / name, exif=turned)
        assert decoded(tmp_path / name, (), 3).shape == (3, 8, 4)


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
