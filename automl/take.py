"""Taking a model away: a folder with the file, its figures on untouched rows, and a card."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from automl.config import UserError, encode
from automl.data import dataset
from automl.measure.measurement import machine, measure, wilson_interval
from automl.runtimes import onnx
from automl.space import TrialConfig
from automl.study.study import Study, TrialRecord


def export(
    study: Study, record: TrialRecord, config: TrialConfig, file: bytes, out: Path
) -> dict[str, Any]:
    """Write the export directory; returns what `export --json` prints."""
    figures = test_figures(config, file)
    figures["validation"] = record.values
    files = {
        "model.onnx": file,
        "recipe.json": _json({"params": record.params, "config": encode(config)}),
        "measurement.json": _json(figures),
        "README.md": card(study, record, figures, file).encode(),
    }
    try:
        out.mkdir(parents=True, exist_ok=True)
        for name, data in files.items():
            (out / name).write_bytes(data)
    except OSError as error:
        raise UserError(f"cannot write to --out {out}: {error.strerror}") from None
    return {
        "out": str(out),
        "trial_id": record.trial_id,
        "files": {name: len(data) for name, data in files.items()},
        "measurement": figures,
    }


def test_figures(config: TrialConfig, file: bytes) -> dict[str, Any]:
    """Figures of a file on the test rows, which nothing has seen before."""
    rows = dataset.test_split(config.dataset, config.seed)
    test = measure(file, rows.inputs, rows.targets)
    low, high = wilson_interval(test.accuracy, len(rows.targets))
    return {
        "test": {k: v for k, v in vars(test).items() if k != "train_seconds"},
        "test_accuracy_95": [low, high],
        "test_rows": rows.rows.tolist(),
        "machine": machine(),
    }


def card(study: Study, record: TrialRecord, figures: dict[str, Any], file: bytes) -> str:
    """The export's README: what the model is, what it reaches, how to run it."""
    signature = onnx.signature(file)
    test, (low, high) = figures["test"], figures["test_accuracy_95"]
    params = "\n".join(f"| `{name}` | {value} |" for name, value in record.params.items())
    return CARD.format(
        name=study.name,
        trial_id=record.trial_id,
        classes=", ".join(signature.classes),
        shape=", ".join(map(str, signature.row_shape)),
        num_classes=len(signature.classes),
        accuracy=f"{test['accuracy']:.4f}",
        interval=f"{low:.4f} to {high:.4f}",
        num_rows=len(figures["test_rows"]),
        validation_accuracy=f"{record.values['accuracy']:.4f}",
        size_bytes=test["size_bytes"],
        latency_ms=f"{test['latency_ms']:.4f}",
        processor=figures["machine"]["processor"],
        params=params,
    )


CARD = """# {name}, trial {trial_id}

Classifies into: {classes}.

| | |
|---|---|
| test accuracy | {accuracy} (95 % interval {interval}, {num_rows} untouched rows) |
| validation accuracy | {validation_accuracy} |
| size | {size_bytes} bytes |
| latency | {latency_ms} ms for one row, one thread, {processor} |

`model.onnx` takes raw rows, float32 of shape (batch, {shape}); normalisation is inside. It gives
`logits` of shape (batch, {num_classes}).

```python
import numpy, onnxruntime
session = onnxruntime.InferenceSession("model.onnx")
rows = numpy.zeros((1, {shape}), numpy.float32)
(logits,) = session.run(["logits"], {{"input": rows}})
print(logits.argmax(axis=1))
```

`measurement.json` holds every figure, and under `test_rows` the row numbers of the test split, so
that anyone can recompute them. `recipe.json` is how the model was made:

| parameter | value |
|---|---|
{params}
"""


def _json(value: Any) -> bytes:
    return json.dumps(value, indent=1).encode()
