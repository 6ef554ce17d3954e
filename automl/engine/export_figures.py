"""The figures of an export: its file on the test rows, which nothing has seen before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from automl import quality
from automl.data import dataset
from automl.errors import UserError
from automl.measure.latency import Reference, alone
from automl.measure.machine import machine
from automl.measure.measurement import measure
from automl.runtimes import onnx
from automl.runtimes.onnx import ONE_THREAD
from automl.space.space import TrialConfig
from automl.study.record import Settings, TrialRecord


@dataclass(frozen=True)
class TestFigures:
    """Figures of a file on the test rows.

    `intervals` are the 95 % confidence intervals of each metric, the task's first metric first;
    `rows` are the row numbers of the test split in the raw dataset, `latency_of` says what
    `latency_ms` is the time of, as "one row, one thread".
    """

    test: Mapping[str, float]
    intervals: Mapping[str, tuple[float, float]]
    rows: Sequence[int]
    machine: Mapping[str, object]
    latency_of: str

    def as_json(self) -> dict[str, object]:
        return {
            "quality": list(self.intervals),
            "test": self.test,
            **{f"test_{name}_95": list(ends) for name, ends in self.intervals.items()},
            "test_rows": list(self.rows),
            "machine": self.machine,
            "latency_of": self.latency_of,
        }

    @classmethod
    def from_json(cls, told: Mapping[str, object]) -> TestFigures:
        """Read the fields, as JSON keeps them."""
        return cls(**told)  # type: ignore[arg-type]


@dataclass(frozen=True)
class OfColumns:
    """The file of a table that takes named columns, and its own figures on the test rows."""

    file: bytes
    figures: TestFigures


def test_figures(
    record: TrialRecord,
    config: TrialConfig,
    cache: Path,
    file: bytes,
    beside: Mapping[str, Reference],
) -> TestFigures:
    """Measure a record's file on the test rows, which nothing has seen before.

    The metrics are those of its search: another space in this process may have brought more.
    """
    rows = dataset.test_split(config.dataset, config.seed, cache)
    test = measure(file, rows.inputs, rows.targets, beside)
    outputs, targets = onnx.run(onnx.session(file), rows.inputs), np.asarray(rows.targets)
    names = [name for name in record.values if name in test.figures and name != "train_seconds"]
    metrics = [name for name in names if name in test.quality]
    return TestFigures(
        test={name: test.figures[name] for name in names},
        intervals={name: quality.METRICS[name].interval(outputs, targets) for name in metrics},
        rows=rows.rows.tolist(),
        machine=machine(),
        latency_of=next(iter(beside.values())).runtime.words,
    )


def alone_here(settings: Settings) -> dict[str, Reference]:
    """The runtimes of a search that this machine has and that take an ONNX file, to time one by
    itself on each; on one thread of onnxruntime where it lacks the first, whose figures have plain
    names."""
    found = dict[str, Reference]()
    for name, runtime in settings.by_name.items():
        if runtime.format:
            continue
        try:
            runtime.check_here()
        except UserError:
            runtime = ONE_THREAD
            if found:
                continue
        found[name] = alone(runtime)
    return found
