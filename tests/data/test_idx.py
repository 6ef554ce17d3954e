import numpy as np
import pytest
from helpers.datasets import write_idx, write_mnist

from automl.data.dataset import load
from automl.data.idx import MNIST, FashionMNIST
from automl.errors import UserError


@pytest.mark.parametrize("spelling", [{}, {"gz": True}, {"dot": "."}, {"dot": ".", "gz": True}])
def test_four_files_gzipped_or_not_give_images_and_an_own_test_split(tmp_path, spelling):
    raw = MNIST(write_mnist(tmp_path, 50, 20, **spelling)).load()
    assert raw.inputs.dtype == np.uint8
    assert raw.inputs.shape == (70, 28, 28)
    assert raw.input_shape == (1, 28, 28)
    assert raw.num_test == 20
    assert raw.inputs[:, 3, 4].tolist() == [*range(50), *range(20)]
    assert raw.targets.tolist() == [row % 10 for row in [*range(50), *range(20)]]
    assert raw.classes == tuple("0123456789")


def test_garments_have_their_names(tmp_path):
    classes = FashionMNIST(write_mnist(tmp_path)).load().classes
    assert (classes[0], classes[9], len(classes)) == ("T-shirt/top", "Ankle boot", 10)


def cut_short(folder):
    path = folder / "train-images-idx3-ubyte"
    path.write_bytes(path.read_bytes()[:-7])


def cut_gzip_short(folder):
    write_mnist(folder, gz=True)
    (folder / "t10k-labels-idx1-ubyte").unlink()
    path = folder / "t10k-labels-idx1-ubyte.gz"
    path.write_bytes(path.read_bytes()[:-9])


BAD = {
    r"holds no t10k-labels-idx1-ubyte, gzipped or not": (
        lambda folder: (folder / "t10k-labels-idx1-ubyte").unlink()
    ),
    r"train-images-idx3-ubyte holds 39193 values where its header tells 39200": cut_short,
    r"t10k-labels-idx1-ubyte.gz does not unzip": cut_gzip_short,
    r"train-labels-idx1-ubyte is no IDX file of bytes in 1 dimensions": (
        lambda folder: (folder / "train-labels-idx1-ubyte").write_text("labels")
    ),
    r"train-images-idx3-ubyte is no IDX file": (
        lambda folder: (folder / "train-images-idx3-ubyte").write_bytes(b"")
    ),
    r"t10k-images-idx3-ubyte holds no images": (lambda folder: write_mnist(folder, num_test=0)),
    r"train-labels-idx1-ubyte holds 3 labels for the 50 images": (
        lambda folder: write_idx(folder, "train-labels", [1, 2, 3])
    ),
    r"images are \(28, 28\) in the train- file but \(2, 2\)": (
        lambda folder: write_idx(folder, "t10k-images", np.zeros((20, 2, 2)))
    ),
}


@pytest.mark.parametrize("message", BAD)
def test_a_bad_file_is_named(tmp_path, message):
    dataset = MNIST(write_mnist(tmp_path))
    BAD[message](tmp_path)
    with pytest.raises(UserError, match=message):
        dataset.load()


@pytest.mark.parametrize(("part", "count"), [("train", 50), ("t10k", 20)])
def test_a_label_outside_the_range_is_told_with_its_file(tmp_path, part, count):
    dataset = MNIST(write_mnist(tmp_path / "mnist"))
    labels = np.arange(count) % 10
    labels[3] = 12
    write_idx(tmp_path / "mnist", f"{part}-labels", labels)
    message = rf"label 3 \(counted from 0\) of .*{part}-labels-idx1-ubyte has the label 12, outside"
    with pytest.raises(UserError, match=message):
        load(dataset, 0, tmp_path / "cache")


def test_a_folder_that_is_not_there_is_told_with_the_machine(tmp_path):
    with pytest.raises(UserError, match=r"there is no .*/nowhere on \S+; check the path"):
        MNIST(str(tmp_path / "nowhere")).load()
