"""Writes a model's folder: the file, its figures on untouched rows, its recipe, and a card."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from automl import quality
from automl.config import encode
from automl.data import dataset
from automl.data.dataset import Data, Dataset
from automl.data.pixels import MODES
from automl.data.rows_in_place import Rows
from automl.engine.predict_script import predict_script
from automl.errors import UserError
from automl.export.named_columns import with_named_columns
from automl.export.taken import Made
from automl.measure.machine import machine
from automl.measure.measurement import measure
from automl.predictor.rows import ROWS_FILE, TOKENIZER_FILE, RowFormat
from automl.runtimes import onnx
from automl.runtimes.onnx import Signature
from automl.space.space import TrialConfig
from automl.study.record import TrialRecord
from automl.study.study import Study
from automl.tracking.pages import rendering
from automl.trial import layer_outcomes


@dataclass(frozen=True)
class RowsInWords:
    """The files that hold rows of a kind, and the name of one."""

    words: str
    example: str


COLUMNS_FILE = "named_columns.onnx"
EXAMPLE_COLUMNS = 3
ROWS_LOOKED_AT = 1000
ROWS_IN_WORDS = {
    "table": RowsInWords("a CSV or Parquet file with its columns in any order", "rows.csv"),
    "text": RowsInWords("texts in a CSV, a .jsonl, or a line each in a .txt", "texts.txt"),
    "image": RowsInWords("images of any size, or folders of them,", "photos/"),
    "numbers": RowsInWords("rows of numbers in a .npy, .npz, .csv or .ts", "rows.npy"),
}


@dataclass(frozen=True)
class TestFigures:
    """Figures of a file on the test rows.

    `intervals` are the 95 % confidence intervals of each metric, the task's first metric first;
    `rows` are the row numbers of the test split in the raw dataset.
    """

    test: Mapping[str, float]
    intervals: Mapping[str, tuple[float, float]]
    rows: Sequence[int]
    machine: Mapping[str, object]

    def as_json(self) -> dict[str, object]:
        return {
            "quality": list(self.intervals),
            "test": self.test,
            **{f"test_{name}_95": list(ends) for name, ends in self.intervals.items()},
            "test_rows": list(self.rows),
            "machine": self.machine,
        }


@dataclass(frozen=True)
class OfColumns:
    """The file of a table that takes named columns, and its own figures on the test rows."""

    file: bytes
    figures: TestFigures


@dataclass(frozen=True)
class Taken:
    """The ONNX file of a trial, and the same model in other formats."""

    file: bytes
    others: Made = field(default_factory=Made)


@dataclass(frozen=True)
class Exported:
    """A folder that was written: the bytes of its `files`, and the model's figures.

    `measurement` is the object in measurement.json; `notes` are those of the trial.
    """

    out: Path
    trial_id: str
    files: Mapping[str, int]
    figures: TestFigures
    measurement: Mapping[str, object]
    notes: Sequence[str]

    def as_json(self) -> dict[str, object]:
        """The object that `automl export --json` prints."""
        return {
            "out": str(self.out),
            "trial_id": self.trial_id,
            "files": self.files,
            "measurement": self.measurement,
            "notes": list(self.notes),
        }


def export(
    study: Study, record: TrialRecord, config: TrialConfig, cache: Path, taken: Taken, out: Path
) -> Exported:
    """Write the export directory. Raises UserError where it cannot be written."""
    assert record.result is not None
    file = taken.file
    figures = test_figures(record, config, cache, file)
    form = row_format(config.dataset, dataset.load(config.dataset, config.seed, cache))
    of_columns = _of_columns(record, config, cache, file)
    measurement = {
        **figures.as_json(),
        "validation": record.values,
        **({COLUMNS_FILE: of_columns.figures.test} if of_columns else {}),
        "layers": layer_outcomes.as_json(record.result.outcomes),
    }
    files = {
        **what_predicts(file, form, config.dataset),
        **({COLUMNS_FILE: of_columns.file} if of_columns else {}),
        "recipe.json": _json({"params": record.params, "config": encode(config)}),
        "measurement.json": _json(measurement),
        **taken.others.files,
        "README.md": card(study, record, figures, taken, form, of_columns).encode(),
    }
    try:
        out.mkdir(parents=True, exist_ok=True)
        for name, data in files.items():
            (out / name).parent.mkdir(parents=True, exist_ok=True)
            (out / name).write_bytes(data)
    except OSError as error:
        raise UserError(f"cannot write to --out {out}: {error.strerror}") from None
    sizes = {name: len(data) for name, data in files.items()}
    notes = (*record.result.notes, *taken.others.notes)
    return Exported(out, record.trial_id, sizes, figures, measurement, notes)


def _of_columns(
    record: TrialRecord, config: TrialConfig, cache: Path, file: bytes
) -> OfColumns | None:
    """The file of a table with an input for each column, measured anew; None of other data."""
    columns = onnx.signature(onnx.session(file)).columns
    if not columns:
        return None
    made = with_named_columns(file, columns)
    return OfColumns(made, test_figures(record, config, cache, made))


def what_predicts(file: bytes, form: RowFormat, source: Dataset) -> dict[str, bytes]:
    """The files of an export that answer rows, by their names."""
    files = {
        "model.onnx": file,
        "predict.py": predict_script(form.kind).encode(),
        ROWS_FILE: form.to_json().encode(),
    }
    return {**files, TOKENIZER_FILE: source.tokenizer_json().encode()} if form.tokenizer else files


def row_format(source: Dataset, data: Data) -> RowFormat:
    """The form of the rows that a model of this data takes."""
    info, inputs = data.info, data.train.inputs
    is_picture = len(info.input_shape) == 3 and info.input_shape[0] in MODES
    kind = "image" if is_picture and inputs.dtype == np.uint8 else "numbers"
    if info.columns or info.num_tokens:
        kind = "table" if info.columns else "text"
    return RowFormat(
        kind,
        inputs.shape[1:],
        info.input_shape,
        text=source.text_column(),
        tokenizer=TOKENIZER_FILE if source.tokenizer_json() else "",
        largest=_white(inputs, info.input_shape),
    )


def _white(inputs: Rows, input_shape: tuple[int, ...]) -> float:
    """The largest value in rows (rows, ...) that are pictures of one channel, black being 0; 0 of
    others."""
    if len(input_shape) != 3 or input_shape[0] != 1:
        return 0.0
    if inputs.dtype == np.uint8:
        return 255.0
    some = inputs[:ROWS_LOOKED_AT]
    return float(some.max()) if some.min() >= 0 else 0.0


def test_figures(record: TrialRecord, config: TrialConfig, cache: Path, file: bytes) -> TestFigures:
    """Measure a record's file on the test rows, which nothing has seen before.

    The metrics are those of its search: another space in this process may have brought more.
    """
    rows = dataset.test_split(config.dataset, config.seed, cache)
    test = measure(file, rows.inputs, rows.targets)
    outputs, targets = onnx.run(onnx.session(file), rows.inputs), np.asarray(rows.targets)
    names = [name for name in record.values if name in test.figures and name != "train_seconds"]
    metrics = [name for name in names if name in test.quality]
    return TestFigures(
        test={name: test.figures[name] for name in names},
        intervals={name: quality.METRICS[name].interval(outputs, targets) for name in metrics},
        rows=rows.rows.tolist(),
        machine=machine(),
    )


def card(
    study: Study,
    record: TrialRecord,
    figures: TestFigures,
    taken: Taken,
    form: RowFormat,
    of_columns: OfColumns | None,
) -> str:
    """The export's README: what the model is, what it reaches, how to run it."""
    assert record.result is not None
    signature = onnx.signature(onnx.session(taken.file))
    return rendering.render(
        "card.md.j2",
        search=study.name,
        record=record,
        figures=figures,
        signature=signature,
        form=form,
        rows=ROWS_IN_WORDS[form.kind],
        input=_input(signature, bool(form.tokenizer)),
        columns_file=COLUMNS_FILE,
        of_columns=of_columns,
        example=_example(signature),
        notes=(*record.result.notes, *taken.others.notes),
        others=taken.others,
        layers=layer_outcomes.table(record.result.outcomes),
    )


def _example(signature: Signature) -> list[tuple[str, str]]:
    """Some columns of a table, each with a value, as Python spells them."""
    columns = list(signature.columns.items())[:EXAMPLE_COLUMNS]
    return [(repr(name), repr(kinds[0]) if kinds else "1.5") for name, kinds in columns]


def _input(signature: Signature, has_tokenizer: bool) -> str:
    """A row of the file's input, in words."""
    shape = ", ".join(map(str, signature.row_shape))
    if signature.is_text:
        what = "the ids that `tokenizer.json` gives" if has_tokenizer else "its UTF-8 bytes"
        padding = "with its padding" if has_tokenizer else "0 after the end"
        shorter = ", or without that at any shorter length" if signature.takes_shorter else ""
        return f"takes text: {what} as int64 of shape (batch, {shape}), {padding}{shorter}"
    if len(signature.row_shape) == 3:
        return (
            f"takes raw pixels, float32 of shape (batch, {shape}): channels (red, green, blue) x "
            "height x width, with values as in training, which are 0 to 255 for image files; "
            "pictures of another size are resized bilinearly before, normalisation is inside"
        )
    if not signature.columns:
        return f"takes raw rows, float32 of shape (batch, {shape}); normalisation is inside"
    columns = [
        f"{name} ({', '.join(f'{i} = {c}' for i, c in enumerate(categories)) or 'number'})"
        for name, categories in signature.columns.items()
    ]
    return (
        f"takes raw rows, float32 of shape (batch, {shape}), NaN where a value is missing; the "
        f"columns are: {'; '.join(columns)}"
    )


def _json(value: object) -> bytes:
    return json.dumps(value, indent=1).encode()
