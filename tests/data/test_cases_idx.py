"""IDX files as people have them: read as their owner means them, or told in one sentence."""

import re

import pytest
from helpers.cases import said, write
from helpers.datasets import write_mnist

from automl.data.idx import MNIST


def swapped(folder):
    images, labels = folder / "train-images-idx3-ubyte", folder / "train-labels-idx1-ubyte"
    content = images.read_bytes()
    images.write_bytes(labels.read_bytes())
    labels.write_bytes(content)


def cut_idx(folder):
    path = folder / "t10k-images-idx3-ubyte"
    path.write_bytes(path.read_bytes()[:-5])


IDX_TOLD = {
    "swapped": (swapped, r"train-images-idx3-ubyte is no IDX file of bytes in 3 dimensions"),
    "cut": (cut_idx, r"t10k-images-idx3-ubyte holds 15675 values where its header tells 15680"),
    "text": (
        lambda f: write(f / "t10k-labels-idx1-ubyte", "<html>"),
        r"t10k-labels-idx1-ubyte is no IDX file",
    ),
}


@pytest.mark.parametrize("name", IDX_TOLD)
def test_idx_files_that_cannot_be_meant_are_told(tmp_path, name):
    change, wanted = IDX_TOLD[name]
    config = MNIST(write_mnist(tmp_path / "mnist"))
    change(tmp_path / "mnist")
    text = said(config, tmp_path)
    assert re.search(wanted, text), text
