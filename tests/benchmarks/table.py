"""A joint table, made: every trial of its space, really run.

python tests/benchmarks/table.py [--fashion FOLDER_OF_IDX_FILES] [--work FOLDER]

That of digits, or with a folder that of Fashion-MNIST. One process on one thread, 45 minutes for
digits, ten for the other. Each trial is kept in the work folder when it has run: start it
again after an interruption, and it goes on. At the end all is packed into a file in `results`,
which `joint_tables.py` reads. Seconds are of the CPU, so that other work on the machine counts
little.
"""

from __future__ import annotations

import argparse
import datetime
import functools
import hashlib
import json
import lzma
import os
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

os.environ["OMP_NUM_THREADS"] = "1"

import joint_tables
import torch
from torch.onnx._internal.exporter import _registration
from torch.utils.flop_counter import FlopCounterMode

from automl import quality
from automl.config import decode, encode
from automl.measure.latency import Reference, Timing, timed
from automl.measure.machine import machine
from automl.measure.measurement import Make, measure
from automl.models.family import Network
from automl.recipe import Report
from automl.space import space_file
from automl.space.exploring import explore
from automl.space.sampling import replay, sample
from automl.space.space import Space, TrialConfig
from automl.space.store_keys import prefix_keys
from automl.store import Store
from automl.trial import reference_model
from automl.trial.prefixes import PARENT_FILE
from automl.trial.result import TrialResult
from automl.trial.trial import run

WORK = Path(tempfile.gettempdir()) / "automl-joint-table"
VARIED_LAST = {
    "digits": ("recipe.train.batch_size.value", ["64", "32"]),
    "fashion": ("recipe.train.learning_rate.schedule.peak", ["0.005", "0.025"]),
}
"""On the way, the table of the first values is whole."""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--fashion", default="")
    parser.add_argument("--work", type=Path, default=WORK)
    given = parser.parse_args()
    name = "fashion" if given.fashion else "digits"
    torch.set_num_threads(1)
    read_operators_once()
    text = space_file.read(joint_tables.space_file_of(name))
    root = {"dataset.root": str(Path(given.fashion).absolute())} if given.fashion else {}
    space = space_file.load(text, root)
    path, values = VARIED_LAST[name]
    wanted = sorted(joint_tables.combinations(space), key=lambda params: values.index(params[path]))
    with tempfile.TemporaryDirectory() as warmed:
        Maker(space, Path(warmed)).make(wanted[-1])
    maker = Maker(space, given.work / fingerprint(text))
    for position, params in enumerate(wanted):
        if maker.make(params) and position % 20 == 0:
            print(f"{time.strftime('%H:%M:%S')} {position} of {len(wanted)}", flush=True)
    joint_tables.file_of(name).write_bytes(maker.packed(wanted, text))


def read_operators_once() -> None:
    """torch reads the sources of all ONNX operators anew for each export: half of its time."""
    apis: Any = vars(_registration)["onnxscript_apis"]
    apis.get_torchlib_ops = functools.cache(apis.get_torchlib_ops)


def fingerprint(text: str) -> str:
    """Of what the rows depend on: those of other versions or another space are not gone on with."""
    return hashlib.sha256((text + json.dumps(made_on())).encode()).hexdigest()[:12]


def made_on() -> dict[str, str]:
    return {**machine(), "torch": torch.__version__, "onnx_exporter": "operators read once"}


class Clock(Store):
    """A store that notes the CPU time at which each step's model was whole."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.ended: dict[str, float] = {}

    def write(self, key: str, files: Mapping[str, bytes]) -> None:
        super().write(key, files)
        if "spec.json" in files:
            self.ended[key] = time.process_time()


@dataclass(frozen=True)
class Ran:
    """A trial as it ran: with the CPU times of its reports, and those at which it began, gave its
    file to be measured, and ended."""

    result: TrialResult
    reports: tuple[tuple[Report, float], ...]
    began: float
    exported: float
    ended: float


class Maker:
    """Runs trials, and keeps a line of each in its folder."""

    def __init__(self, space: Space, folder: Path) -> None:
        self.space, self.folder = space, folder
        self.lines: dict[str, dict[str, Any]] = {}
        self.stages: dict[str, dict[str, Any]] = {}
        folder.mkdir(parents=True, exist_ok=True)
        self.largest = reference_model.largest(space, explore(space), folder / "cache")
        file, rows = self.largest.export(), self.largest.rows
        self.info = self._about(measure(file, rows.inputs, rows.targets).latency_ms)
        self.reference = Reference(file, self.info["reference_latency_ms"])
        found = folder / "rows.jsonl"
        for line in found.read_text().splitlines() if found.exists() else []:
            self._keep(json.loads(line))

    def _about(self, latency_ms: float) -> dict[str, Any]:
        """What holds for all rows, from when the first was made."""
        file = self.folder / "info.json"
        if not file.exists():
            data = self.largest.data
            info = {
                "date": datetime.date.today().isoformat(),
                "machine": made_on(),
                "data": encode(data.info),
                "chance_accuracy": quality.metrics(data.info.num_outputs)["accuracy"].chance(
                    data.validation.targets
                ),
                "train_rows": len(data.train.targets),
                "validation_rows": len(data.validation.targets),
                "reference_latency_ms": round(latency_ms, 6),
                "seconds": "CPU seconds of one process on one thread",
            }
            file.write_text(json.dumps(info))
        found: dict[str, Any] = json.loads(file.read_text())
        return found

    def make(self, params: dict[str, Any]) -> bool:
        """Run a trial unless it was; whether it had to be."""
        if joint_tables.key(params) in self.lines:
            return False
        config = sample(self.space, replay(params))
        line = {"params": params, **self._run(config)}
        with (self.folder / "rows.jsonl").open("a") as file:
            file.write(json.dumps(line) + "\n")
        self._keep(line)
        return True

    def _run(self, config: TrialConfig) -> dict[str, Any]:
        keys, store = prefix_keys(config), Clock(f"{self.folder}/store")
        for key in [key for key in keys if key not in self.stages]:
            for left in store.starting_with(key):
                store.drop(left)
        ran = driven(config, store, self.reference, self.folder / "cache")
        if len(keys) == 1:
            self._keep_as_parent(store, keys[0])
        labels = {key: step.label for key, step in zip(keys, config.recipe, strict=True)}
        stages, began = {}, ran.began
        for key, ended in store.ended.items():
            stages[key] = stage(ran, labels[key], began, ended, store.read(key, "spec.json") or b"")
            began = ended
        return {
            "keys": keys,
            "stages": stages,
            "export_seconds": round(ran.exported - began, 5),
            "measure_seconds": round(ran.ended - ran.exported, 5),
            **figures(ran.result, store.read(ran.result.key, "model.onnx")),
        }

    def _keep_as_parent(self, store: Store, key: str) -> None:
        """The file of an uncompressed trial is the one that its compressed ones must beat."""
        file = store.read(key, "model.onnx")
        assert file is not None
        store.write(key, {PARENT_FILE: file})

    def _keep(self, line: dict[str, Any]) -> None:
        self.lines[joint_tables.key(line["params"])] = line
        self.stages |= line["stages"]

    def packed(self, wanted: Sequence[dict[str, Any]], text: str) -> bytes:
        """The table's file: stages once, and rows in the order wanted, parents before children."""
        order = {key: number for number, key in enumerate(self.stages)}
        rows: list[dict[str, Any]] = []
        parents: dict[str, int] = {}
        for number, params in enumerate(wanted):
            row = dict(self.lines[joint_tables.key(params)])
            row.pop("stages")
            keys = row.pop("keys")
            row["parent"] = parents.setdefault(keys[0], number) if len(keys) > 1 else None
            parents.setdefault(keys[0], number)
            rows.append({**row, "stages": [order[key] for key in keys if key in order]})
        whole = {
            "about": self.info,
            "space": text,
            "stages": [*self.stages.values()],
            "rows": rows,
        }
        return lzma.compress(json.dumps(whole, separators=(",", ":")).encode(), preset=9)


def driven(config: TrialConfig, store: Store, beside: Reference, cache: Path) -> Ran:
    exported: list[float] = []

    def timed_later(file: bytes, row: NDArray[np.generic], make: Make) -> Callable[[], Timing]:
        def wait() -> Timing:
            exported.append(time.process_time())
            return timed(file, row, beside)

        return wait

    began, reports = time.process_time(), []
    trial = run(config, store, timed_later, cache)
    while True:
        try:
            reports.append((next(trial), time.process_time()))
        except StopIteration as end:
            ended = time.process_time()
            handed = exported[0] if exported else ended
            return Ran(end.value, tuple(reports), began, handed, ended)


def stage(ran: Ran, label: str, began: float, ended: float, spec: bytes) -> dict[str, Any]:
    """A step by its reports, and the CPU times between which it ran."""
    reports = [(report.metrics, at) for report, at in ran.reports if report.step == label]
    times = [began, *(at for _, at in reports)]
    return {
        "label": label,
        "accuracy": [metrics["accuracy"] for metrics, _ in reports],
        "loss": [round(metrics["loss"], 6) for metrics, _ in reports],
        "seconds": [round(b - a, 5) for a, b in zip(times, times[1:])],
        "rest_seconds": round(ended - times[-1], 5),
        "macs": macs_of_row(spec),
    }


def macs_of_row(spec: bytes) -> int:
    """Multiplications of one row through an uncompressed network of this spec's widths."""
    plain = replace(decode(json.loads(spec)), layer_edits={})
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        Network(plain).eval()(torch.zeros(1, *plain.input_shape))
    return int(counter.get_total_flops()) // 2


def figures(result: TrialResult, file: bytes | None) -> dict[str, Any]:
    """How a trial ended, and what its file was measured to be where it counts."""
    found = dict.fromkeys(("accuracy", "size_bytes", "latency_ms", "sha256"))
    if result.measurement is not None and file is not None:
        found = {
            "accuracy": result.measurement.quality["accuracy"],
            "size_bytes": result.measurement.size_bytes,
            "latency_ms": round(result.measurement.latency_ms, 6),
            "sha256": hashlib.sha256(file).hexdigest()[:12],
        }
    return {"status": result.status, "reason": result.reason, **found}


if __name__ == "__main__":
    main()
