"""Loads an exported model with the reader that its rows ask for."""

from __future__ import annotations

from pathlib import Path

from automl.errors import UserError
from automl.predictor.images import read_images
from automl.predictor.model import Model, kind_of_rows
from automl.predictor.numbers import read_numbers
from automl.predictor.rows import Reader
from automl.predictor.tables import read_table
from automl.predictor.texts import read_text

READERS: dict[str, Reader] = {
    "table": read_table,
    "text": read_text,
    "image": read_images,
    "numbers": read_numbers,
}


def load(out: str | Path) -> Model:
    """The model in a folder that `automl export` wrote: ask it with `predict(rows)`.

    Raises UserError where the folder is none.
    """
    folder = Path(out)
    kind = kind_of_rows(folder)
    if kind not in READERS:
        raise UserError(f"{folder} takes rows of the kind {kind!r}, which a later version reads")
    return Model(folder, READERS[kind])
