"""Every file that a test of a loader reads is read by `predict` alike, to the bit."""

from pathlib import Path

import numpy as np
import pytest

from automl.data.image_folder import ImageFolder
from automl.data.npz import Npz
from automl.data.series import Series
from automl.data.table import Table
from automl.data.text import Text
from automl.predictor.load import READERS
from automl.predictor.rows import RowFormat, Unused

KINDS = {Table: "table", Series: "numbers", Text: "text", Npz: "numbers", ImageFolder: "image"}


@pytest.fixture(autouse=True)
def predict_reads_alike(monkeypatch):
    """Have each load of a loader followed by a look at the same files with the reader of `predict`.

    The loader of images puts splits in another order, which leaves sums of pixels.
    """
    for loader, kind in KINDS.items():
        monkeypatch.setattr(loader, "load", _compared(loader.load, kind))


def _compared(load, kind):
    def compared(self):
        raw = load(self)
        if kind == "image" and not Path(self.path).is_dir():
            return raw  # an archive, whose folder is compared
        if np.isfinite(raw.inputs).all() or (kind == "table" and not np.isinf(raw.inputs).any()):
            paths = [Path(path) for path in (self.path, getattr(self, "test_path", "")) if path]
            found = np.concatenate([_read(path, self, raw, kind) for path in paths])
            if kind == "image":
                assert found.sum() == raw.inputs.sum()
            else:
                np.testing.assert_array_equal(found, raw.inputs[: len(found)])
        return raw

    return compared


def _read(path, source, raw, kind):
    columns = {column.name: column.categories for column in raw.columns}
    if getattr(source, "tokenizer", ""):
        return raw.inputs[:0]  # only the file in an export cuts and pads
    form = RowFormat(
        *(kind, raw.inputs.shape[1:], raw.input_shape, columns, source.text_column()),
        commas={column.name: column.commas for column in raw.columns if column.commas},
    )
    batches = READERS[kind](path, form, Unused())
    return np.concatenate([batch.inputs for batch in batches])
