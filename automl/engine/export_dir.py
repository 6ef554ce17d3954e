"""The export directory: a model's file, its figures on untouched rows, and a card."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from automl import quality
from automl.config import encode
from automl.data import dataset
from automl.errors import UserError
from automl.measure.measurement import machine, measure
from automl.runtimes import onnx
from automl.runtimes.onnx import Signature
from automl.space.space import TrialConfig
from automl.study.record import TrialRecord
from automl.study.study import Study


@dataclass(frozen=True)
class TestFigures:
    """The figures of a file on the test rows, which nothing has seen before.

    `quality` names the metrics of the task, `intervals` are theirs at 95 %; `rows` are the row
    numbers of the test split, and `machine` is where latency was measured.
    """

    quality: tuple[str, ...]
    figures: Mapping[str, float]
    intervals: Mapping[str, tuple[float, float]]
    rows: Sequence[int]
    machine: Mapping[str, object]

    def as_json(self) -> dict[str, object]:
        """The object that `front --test --json` gives for each member."""
        return {
            "quality": list(self.quality),
            "test": dict(self.figures),
            **{f"test_{name}_95": list(ends) for name, ends in self.intervals.items()},
            "test_rows": list(self.rows),
            "machine": dict(self.machine),
        }


@dataclass(frozen=True)
class Exported:
    """An export directory that was written, with the bytes of each file in it."""

    out: Path
    record: TrialRecord
    files: Mapping[str, int]
    test: TestFigures

    def as_json(self) -> dict[str, object]:
        """The object that `export --json` prints."""
        return {
            "out": str(self.out),
            "trial_id": self.record.trial_id,
            "files": dict(self.files),
            "measurement": _measurement(self.record, self.test),
        }


def export(
    study: Study, record: TrialRecord, config: TrialConfig, cache: Path, file: bytes, out: Path
) -> Exported:
    """Write the export directory. Raises UserError when it cannot be written."""
    test = test_figures(config, cache, file)
    files = {
        "model.onnx": file,
        "recipe.json": _json({"params": dict(record.params), "config": encode(config)}),
        "measurement.json": _json(_measurement(record, test)),
        "README.md": card(study, record, test, file).encode(),
    }
    try:
        out.mkdir(parents=True, exist_ok=True)
        for name, data in files.items():
            (out / name).write_bytes(data)
    except OSError as error:
        raise UserError(f"cannot write to --out {out}: {error.strerror}") from None
    return Exported(out, record, {name: len(data) for name, data in files.items()}, test)


def test_figures(config: TrialConfig, cache: Path, file: bytes) -> TestFigures:
    """Measure a file on the test rows of its dataset."""
    rows = dataset.test_split(config.dataset, config.seed, cache)
    test = measure(file, rows.inputs, rows.targets)
    outputs, targets = onnx.run(onnx.session(file), rows.inputs), np.asarray(rows.targets)
    return TestFigures(
        quality=tuple(test.quality),
        figures={k: v for k, v in test.figures.items() if k != "train_seconds"},
        intervals={name: quality.interval(name, outputs, targets) for name in test.quality},
        rows=rows.rows.tolist(),
        machine=machine(),
    )


def card(study: Study, record: TrialRecord, test: TestFigures, file: bytes) -> str:
    """The export's README: what the model is, what it reaches, how to run it."""
    signature = onnx.signature(file)
    rows = [
        f"| test {name} | {test.figures[name]:.4f} (95 % interval {low:.4f} to {high:.4f}; "
        f"validation {record.values[name]:.4f}) |"
        for name, (low, high) in test.intervals.items()
    ]
    params = [f"| `{name}` | {value} |" for name, value in record.params.items()]
    return CARD.format(
        name=study.name,
        trial_id=record.trial_id,
        task=_task(signature),
        quality="\n".join(rows),
        num_rows=len(test.rows),
        size_bytes=test.figures["size_bytes"],
        latency_ms=f"{test.figures['latency_ms']:.4f}",
        processor=test.machine["processor"],
        takes=_takes(signature),
        output=signature.output,
        num_outputs=signature.num_outputs,
        run=_run(signature),
        params="\n".join(params),
    )


def _measurement(record: TrialRecord, test: TestFigures) -> dict[str, object]:
    """The content of measurement.json."""
    return {**test.as_json(), "validation": record.values}


def _task(signature: Signature) -> str:
    if signature.classes:
        return f"Classifies into: {', '.join(signature.classes)}."
    return f"Predicts {signature.num_outputs} number{'s' * (signature.num_outputs > 1)}."


def _takes(signature: Signature) -> str:
    """A row of the input in words."""
    shape = ", ".join(map(str, signature.row_shape))
    if signature.is_text:
        return f"takes text: its UTF-8 bytes as int64 of shape (batch, {shape}), 0 after the end"
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


def _run(signature: Signature) -> str:
    """Lines of Python that make one row, run the file, and print its answer."""
    shape = ", ".join(map(str, signature.row_shape))
    rows = f"rows = numpy.zeros((1, {shape}), numpy.float32)"
    if signature.is_text:
        rows = (
            f"rows = numpy.zeros((1, {shape}), numpy.int64)\n"
            f'text = "a text".encode()[:{shape}]\n'
            "rows[0, : len(text)] = list(text)"
        )
    answer = "logits.argmax(axis=1)" if signature.classes else "prediction"
    return (
        f"{rows}\n({signature.output},) = "
        f'session.run(["{signature.output}"], {{"input": rows}})\nprint({answer})'
    )


CARD = """# {name}, trial {trial_id}

{task}

| | |
|---|---|
{quality}
| test rows | {num_rows}, untouched by the search |
| size | {size_bytes} bytes |
| latency | {latency_ms} ms for one row, one thread, {processor} |

`model.onnx` {takes}. It gives `{output}` of shape (batch, {num_outputs}).

```python
import numpy, onnxruntime
session = onnxruntime.InferenceSession("model.onnx")
{run}
```

`measurement.json` holds every figure, and under `test_rows` the row numbers of the test split, so
that anyone can recompute them. `recipe.json` is how the model was made:

| parameter | value |
|---|---|
{params}
"""


def _json(value: object) -> bytes:
    return json.dumps(value, indent=1).encode()
