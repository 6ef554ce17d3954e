"""Writes a model's folder: the file, its figures on untouched rows, its recipe, and a card."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from automl.config import canonical, encode
from automl.data import dataset
from automl.data.arrays import Array
from automl.data.dataset import Data, Dataset
from automl.data.pixels import MODES
from automl.data.rows_in_place import RowsInPlace
from automl.engine.export_card import COLUMNS_FILE, Rows, card
from automl.engine.export_figures import OfColumns, TestFigures, alone_here, test_figures
from automl.engine.predict_script import predict_script
from automl.engine.taken import Taken
from automl.engine.trial_file import kept
from automl.errors import UserError
from automl.export.named_columns import with_named_columns
from automl.home import Home
from automl.measure.latency import Reference
from automl.predictor.rows import ROWS_FILE, TOKENIZER_FILE, RowFormat
from automl.runtimes import onnx
from automl.space.space import TrialConfig
from automl.study.record import TrialRecord
from automl.study.study import Study
from automl.trial import layer_outcomes

MODEL_FILE, MEASUREMENT_FILE = "model.onnx", "measurement.json"
UNFINISHED = ".unfinished"
"""The folder in an export's own in which its files lie until all are written."""
ROWS_LOOKED_AT = 1000


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
    study: Study, record: TrialRecord, config: TrialConfig, home: Home, taken: Taken, out: Path
) -> Exported:
    """Write the export directory. Raises UserError where it cannot be written.

    The same choice exported again gives the same bytes: its times are those taken at first.
    """
    assert record.result is not None
    file, figures_of = taken.file, partial(_figures_of, study, record, config, home)
    figures = figures_of(file, here := alone_here(study.settings))
    data = dataset.load(config.dataset, config.seed, home.cache)
    rows = Rows(config.dataset, row_format(config.dataset, data), len(data.train.targets))
    of_columns = None
    if columns := onnx.signature(onnx.session(file)).columns:
        named = with_named_columns(file, columns)
        of_columns = OfColumns(named, figures_of(named, dict([*here.items()][:1])))
    measurement: dict[str, object] = {
        **figures.as_json(),
        "validation": record.values,
        **({COLUMNS_FILE: of_columns.figures.test} if of_columns else {}),
        "layers": layer_outcomes.as_json(record.result.outcomes),
        "sha256": hashlib.sha256(file).hexdigest(),
        "costs": taken.costs.as_json(),
    }
    files = {
        **what_predicts(file, rows.form, config.dataset),
        **({COLUMNS_FILE: of_columns.file} if of_columns else {}),
        "recipe.json": _json({"params": record.params, "config": encode(config)}),
        **taken.others.files,
        "README.md": card(study, record, figures, taken, rows, of_columns).encode(),
    }
    measurement["files"] = [*files, MEASUREMENT_FILE]
    files[MEASUREMENT_FILE] = _json(measurement)
    _write(out, files)
    sizes = {name: len(data) for name, data in files.items()}
    notes = (*record.result.notes, *taken.others.notes, *taken.notes)
    return Exported(out, record.trial_id, sizes, figures, measurement, notes)


def _figures_of(
    study: Study,
    record: TrialRecord,
    config: TrialConfig,
    home: Home,
    file: bytes,
    beside: dict[str, Reference],
) -> TestFigures:
    """The figures of a file on test rows, kept for searches that ask for the same of it: another
    that shares the file may ask for more."""
    asked = canonical({"metrics": [*record.values], "runtimes": study.settings.runtimes})

    def made() -> dict[str, object]:
        return vars(test_figures(record, config, home.cache, file, beside))

    return TestFigures.from_json(kept(record, home, file, "test_figures", made, asked))


def check_folder(out: Path) -> None:
    """Raise UserError on a folder that holds anything but an earlier export."""
    if not out.is_dir():
        return
    others = sorted(path.name for path in out.iterdir() if path.name != UNFINISHED)
    if others and not _earlier(out):
        raise UserError(
            f"--out {out} is a folder with other files, such as {others[0]}; name a folder that is "
            "new or empty, or one that holds an earlier export, which is replaced"
        )


def _earlier(out: Path) -> list[str]:
    """The names of the files that an earlier export wrote into a folder; none where none did."""
    if not all((out / name).is_file() for name in (MODEL_FILE, MEASUREMENT_FILE, ROWS_FILE)):
        return []
    try:
        told = json.loads((out / MEASUREMENT_FILE).read_text())
        names = [str(name) for name in told.get("files", [MEASUREMENT_FILE])]
    except (OSError, ValueError, AttributeError):
        return []
    # Whoever wrote the list, nothing outside of the folder is touched.
    return [name for name in names if (out / name).resolve().is_relative_to(out.resolve())]


def _write(out: Path, files: Mapping[str, bytes]) -> None:
    """Write the files of an export, and remove those of an earlier one that it has not.

    Where the disk is too full for them, the folder stays as it was.
    """
    unfinished = out / UNFINISHED
    try:
        for name, data in files.items():
            (unfinished / name).parent.mkdir(parents=True, exist_ok=True)
            (unfinished / name).write_bytes(data)
        for name in set(_earlier(out)) - set(files):
            (out / name).unlink(missing_ok=True)
        for name in files:
            (out / name).parent.mkdir(exist_ok=True, parents=True)
            (unfinished / name).replace(out / name)
    except OSError as error:
        raise UserError(f"cannot write to --out {out}: {error.strerror}") from None
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def what_predicts(file: bytes, form: RowFormat, source: Dataset) -> dict[str, bytes]:
    """The files of an export that answer rows, by their names."""
    files = {
        MODEL_FILE: file,
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
        commas={column.name: column.commas for column in info.columns if column.commas},
    )


def _white(inputs: Array | RowsInPlace, input_shape: tuple[int, ...]) -> float:
    """The largest value in rows (rows, ...) that are pictures of one channel, black being 0; 0 of
    others."""
    if len(input_shape) != 3 or input_shape[0] != 1:
        return 0.0
    if inputs.dtype == np.uint8:
        return 255.0
    some = inputs[:ROWS_LOOKED_AT]
    return float(some.max()) if some.min() >= 0 else 0.0


def _json(value: object) -> bytes:
    return json.dumps(value, indent=1).encode()
