"""An exported model, loaded from its folder: asked with rows, it answers in the user's terms."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from automl.data.arrays import Array
from automl.errors import UserError
from automl.predictor.rows import ROWS_FILE, TOKENIZER_FILE, Reader, RowFormat, Unused
from automl.runtimes.onnx import run, session, signature


@dataclass(frozen=True, eq=False)
class Answers:
    """The answers to some rows: the rows' names, and the file's `outputs` (rows, outputs)."""

    names: Sequence[object]
    outputs: NDArray[np.float32]
    classes: Sequence[str]

    @property
    def predictions(self) -> Array:
        """Class names (rows,); of a regression numbers (rows,), or (rows, outputs) of several."""
        if self.classes:
            named: Array = np.array(self.classes, object)[self.outputs.argmax(1)]
            return named
        return self.outputs[:, 0] if self.outputs.shape[1] == 1 else self.outputs

    @property
    def probabilities(self) -> NDArray[np.float64]:
        """The probability (rows, classes) of each class. Raises UserError of a regression."""
        if not self.classes:
            raise UserError("this model predicts numbers, which have no probabilities")
        shifted = self.outputs.astype(np.float64)
        shifted = np.exp(shifted - shifted.max(1, keepdims=True))
        made: NDArray[np.float64] = shifted / shifted.sum(1, keepdims=True)
        return made


class Model:
    """An exported model: `classes` are the names of what it tells apart, none of a regression."""

    def __init__(self, folder: Path, read: Reader) -> None:
        self.folder, self._read = folder, read
        try:
            self._session = session(folder / "model.onnx")
            told = signature(self._session)
            self.form = _row_format(folder, told.columns)
        except Exception as error:
            raise UserError(f"{folder} is no whole export ({error}); export it again") from None
        self.classes, self.num_outputs = told.classes, told.num_outputs

    def predict(self, rows: object) -> Array:
        """Class names (rows,); of a regression numbers (rows,), or (rows, outputs) of several.

        `rows` are a path or several, a data frame, dictionaries, texts, Pillow's images or an
        array. Raises UserError on rows that the model cannot take.
        """
        return np.concatenate([answers.predictions for answers in self._asked(rows)])

    def predict_proba(self, rows: object) -> NDArray[np.float64]:
        """The probability (rows, classes) of each class, for rows as `predict` takes them."""
        return np.concatenate([answers.probabilities for answers in self._asked(rows)])

    def answers(self, rows: object, unused: Unused) -> Iterator[Answers]:
        """The answers, some rows at a time; `unused` gets the values that counted as missing.

        Raises UserError where there are no rows, and on one whose answer is no finite number.
        """
        batch = None
        for batch in self._read(rows, self.form, unused):
            outputs = run(self._session, batch.inputs)
            _check_answers(outputs, batch.names)
            yield Answers(batch.names, outputs, self.classes)
        if batch is None:
            raise UserError("there are no rows to predict; give at least one")

    def _asked(self, rows: object) -> list[Answers]:
        unused = Unused()
        answers = list(self.answers(rows, unused))
        for sentence in unused.sentences():
            warnings.warn(sentence, stacklevel=3)
        return answers


def _check_answers(outputs: NDArray[np.float32], names: Sequence[object]) -> None:
    bad = np.flatnonzero(~np.isfinite(outputs).all(1))
    if bad.size:
        raise UserError(
            f"the model's answer to row {names[bad[0]]} is not finite, so far are its values from "
            "those of training; correct or leave it out"
        )


def kind_of_rows(folder: Path) -> str:
    """The kind of rows that an exported model takes. Raises UserError where the folder is none."""
    if not (folder / "model.onnx").is_file():
        raise UserError(f"{folder} holds no model.onnx; give the folder that `automl export` wrote")
    if not (folder / ROWS_FILE).is_file():
        raise UserError(
            f"{folder} holds no {ROWS_FILE}, which earlier versions did not write; "
            "export the model again"
        )
    try:
        return str(json.loads((folder / ROWS_FILE).read_text())["kind"])
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"{folder / ROWS_FILE} is damaged ({error}); export again") from None


def _row_format(folder: Path, columns: Mapping[str, Sequence[str]]) -> RowFormat:
    told = json.loads((folder / ROWS_FILE).read_text())
    tokenizer = folder / TOKENIZER_FILE
    return RowFormat(
        kind=told["kind"],
        row_shape=tuple(told["row_shape"]),
        input_shape=tuple(told["input_shape"]),
        text=told["text"],
        columns=columns,
        tokenizer=str(tokenizer) if tokenizer.is_file() else "",
        # Earlier exports do not tell.
        largest=told.get("largest", 0.0),
        commas=told.get("commas", {}),
    )
