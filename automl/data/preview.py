"""Rows as a person reads them: pictures, texts, or named numbers."""

from __future__ import annotations

import base64
import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from automl.data.arrays import Array
from automl.data.dataset import DatasetInfo
from automl.data.tokenizer import text_of

MAX_PIXELS = 96
MAX_CHARACTERS, MAX_NUMBERS = 200, 12


def previews(rows: Array, info: DatasetInfo, tokenizer: str = "") -> list[dict[str, str]]:
    """Each raw row of (rows, *raw row) as {"picture": a PNG's data URI} or {"text": …}.

    `tokenizer` is the tokenizer.json of what made a text's rows, where they are no bytes.
    """
    if info.num_tokens:
        return [{"text": _text(row, tokenizer)} for row in rows]
    if info.columns:
        return [{"text": _columns(row, info)} for row in rows]
    if len(info.input_shape) == 3 and len(rows):
        low, high = (0, 255) if rows.dtype == np.uint8 else (rows.min(), rows.max())
        shaped = (rows.reshape(-1, *info.input_shape) - low) / (high - low or 1)
        return [{"picture": _picture(row)} for row in (255 * shaped).astype(np.uint8)]
    return [{"text": _numbers(row)} for row in rows]


def _picture(pixels: NDArray[np.uint8]) -> str:
    """(channels, height, width) as a small picture: of one channel, or of the first three."""
    channels = pixels[:3] if len(pixels) >= 3 else pixels[:1].repeat(3, axis=0)
    image = Image.fromarray(np.ascontiguousarray(np.moveaxis(channels, 0, -1)))
    image.thumbnail((MAX_PIXELS, MAX_PIXELS))
    written = io.BytesIO()
    image.save(written, "PNG")
    return f"data:image/png;base64,{base64.b64encode(written.getvalue()).decode()}"


def _text(row: Array, tokenizer: str) -> str:
    if tokenizer:
        text = text_of(row.tolist(), tokenizer)
    else:
        text = bytes(row[row > 0].astype(np.uint8)).decode(errors="replace")
    return text if len(text) <= MAX_CHARACTERS else f"{text[:MAX_CHARACTERS]} …"


def _columns(row: Array, info: DatasetInfo) -> str:
    named = [
        f"{column.name} = {_cell(value, column.categories)}"
        for column, value in zip(info.columns, row.tolist(), strict=True)
    ]
    return ", ".join(named[:MAX_NUMBERS] + ["…"] * (len(named) > MAX_NUMBERS))


def _cell(value: float, categories: tuple[str, ...]) -> str:
    if value != value:
        return "missing"
    return categories[int(value)] if categories and value >= 0 else f"{value:.4g}"


def _numbers(row: Array) -> str:
    values = [f"{value:.4g}" for value in row.ravel().tolist()[: MAX_NUMBERS + 1]]
    return ", ".join(values[:MAX_NUMBERS] + ["…"] * (len(values) > MAX_NUMBERS))
