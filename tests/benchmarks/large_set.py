"""A set larger than memory: an epoch over some of 20 GB of uint8 images in a folder of .npy files.

python tests/benchmarks/large_set.py [--gigabytes 20] [--rows 20000]

The inputs are a sparse file, which takes no disk and reads as zeros. What counts is memory of the
process's own, which no other can use: pages of mapped files are the system's to drop. An epoch
ends with all validation rows; then the exported file answers some of them, as for the gate.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import threading
import time
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import report_file
import torch

from automl.data import dataset
from automl.data.arrays import write_header
from automl.data.npz import Npz
from automl.export.onnx import export
from automl.models.convnet import ConvNet
from automl.models.family import untrained
from automl.recipe import Context
from automl.runtimes import onnx
from automl.store import Store
from automl.training.loop import Train
from automl.training.optimizers import SGD
from automl.training.schedules import Fixed
from automl.trial.checkpoints import Checkpoints

ROW = (3, 96, 96)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--gigabytes", type=float, default=20.0)
    parser.add_argument("--rows", type=int, default=20_000)
    given = parser.parse_args()

    sizes = (given.gigabytes / 10, given.gigabytes)
    with get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
        found = [pool.apply(trained, (size, given.rows)) for size in sizes]
    summary = {**found[1], "own_mb_of_a_tenth": found[0]["own_mb_peak"]}
    report_file.write(report_file.path("large_set"), {"summary": summary})
    print(json.dumps(summary))


def trained(gigabytes: float, num_rows: int) -> dict[str, float]:
    """Figures of an epoch over some rows of a set of this size, in a process of its own."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder, OwnMemory() as memory:
        config = sparse_set(Path(folder) / "set", int(gigabytes * 1e9 / np.prod(ROW)))
        before_mb, started_at = memory.now_mb(), time.perf_counter()
        data = dataset.load(config, 0, Path(folder) / "cache")
        loaded_at, loaded_mb = time.perf_counter(), memory.peak_mb
        checkpoints = Checkpoints(Store(str(Path(folder) / "store")), "step")
        context = Context(data, 0, "cpu", None, checkpoints)  # type: ignore[arg-type]
        share = num_rows / len(data.train.targets)
        step = Train(SGD(), Fixed(0.01), epochs=1, row_share=share)
        network = untrained(ConvNet((4,)), data.info)
        list(step.run(network, context))
        trained_at, trained_mb = time.perf_counter(), memory.peak_mb
        loaded = onnx.session(export(network, data))
        onnx.run(loaded, data.validation.inputs[:num_rows])
        return {
            "gigabytes": gigabytes,
            "rows_trained": num_rows,
            "own_mb_before": before_mb,
            "own_mb_loaded": loaded_mb,
            "own_mb_trained": trained_mb,
            "own_mb_peak": memory.peak_mb,
            "load_seconds": loaded_at - started_at,
            "epoch_seconds": trained_at - loaded_at,
        }


def sparse_set(folder: Path, num_rows: int) -> Npz:
    """A set of black images of two classes, whose file is a hole."""
    folder.mkdir()
    with (folder / "inputs.npy").open("wb") as file:
        write_header(file, (num_rows, *ROW), np.uint8)
        file.truncate(file.tell() + num_rows * int(np.prod(ROW)))
    np.save(folder / "targets.npy", np.arange(num_rows) % 2)
    return Npz(str(folder))


class OwnMemory:
    """The memory of this process that no file backs, watched by a thread."""

    def __init__(self) -> None:
        self.peak_mb, self.ended = 0.0, threading.Event()
        self.thread = threading.Thread(target=self._watch)

    def __enter__(self) -> OwnMemory:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.ended.set()
        self.thread.join()

    def now_mb(self) -> float:
        lines = Path("/proc/self/status").read_text().splitlines()
        (line,) = (line for line in lines if line.startswith("RssAnon"))
        return int(line.split()[1]) / 1e3

    def _watch(self) -> None:
        while not self.ended.wait(0.02):
            self.peak_mb = max(self.peak_mb, self.now_mb())


if __name__ == "__main__":
    main()
