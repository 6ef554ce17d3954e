"""The same files on several runtimes: which is fastest, what 8 bits bring, and if times repeat.

python tests/benchmarks/runtimes.py [--openvino PYTHON] [--repeats 10]

Eight files of pictures of 64 x 64: a ResNet, a narrow and a shallow one, and the first factorised,
each in fp32 and in 8 bits; little trained, since latency does not go by what was learned. They are
timed as by `automl measure`, in turn with the first; PYTHON has `onnxruntime-openvino`. One file is
measured again and again while other processes keep the cores busy: `repeat_p90_over_p10`.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import report_file
import torch
from stages import LEARNED_ROWS, first, pictures, taken

from automl.compression.factorize import Factorize
from automl.compression.quantize import Quantize
from automl.data import dataset
from automl.export import onnx
from automl.measure.file_times import FileTimes, Wanted, file_times
from automl.measure.timed_elsewhere import Place, timed_elsewhere
from automl.models.family import untrained
from automl.models.resnet import ResNet, ResNetStage
from automl.runtimes.onnx import OnnxRuntime
from automl.training.loop import Train
from automl.training.schedules import Fixed

RESULTS = report_file.path("runtimes")
BASE = ResNet((ResNetStage(32, 2), ResNetStage(64, 2), ResNetStage(128, 2)))
NETWORKS = {
    "base": BASE,
    "narrow": ResNet((ResNetStage(16, 2), ResNetStage(32, 2), ResNetStage(64, 2))),
    "shallow": ResNet((ResNetStage(32, 1), ResNetStage(64, 1), ResNetStage(128, 1))),
    "factorised": BASE,
}
BITS = ("fp32", "int8")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--openvino", default="")
    parser.add_argument("--repeats", type=int, default=10)
    given = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        paths = tuple(files(Path(folder)))
        columns = dict(everywhere(paths, given.openvino))
        ratios = repeated(paths, given.repeats)
    report = {
        "summary": summary(columns, ratios),
        "milliseconds": {name: {n: asdict(t) for n, t in c.items()} for name, c in columns.items()},
        "repeated_ratios": ratios,
    }
    report_file.write(RESULTS, report)
    plot(columns, RESULTS.with_suffix(".png"))
    print(json.dumps(report["summary"]))


def files(folder: Path) -> Iterator[Path]:
    """The exported files of all networks."""
    data = dataset.load(pictures(folder), 0, folder)
    few = replace(data, train=first(data.train, LEARNED_ROWS))
    for name, family in NETWORKS.items():
        torch.manual_seed(0)
        train = Train(epochs=1, batch_size=Fixed(32))
        network = taken(train, untrained(family, data.info), few)
        if name == "factorised":
            network = taken(Factorize(share=0.3), network, few)
        for bits, made in zip(BITS, (network, taken(Quantize(), network, few)), strict=True):
            path = folder / f"{name} {bits}.onnx"
            path.write_bytes(onnx.export(made, data))
            yield path


def everywhere(
    paths: tuple[Path, ...], openvino: str
) -> Iterator[tuple[str, dict[str, FileTimes]]]:
    """The times of all files under the name of each way to run them."""
    ways = [("1 thread, 1 row", 1, 1), ("1 thread, 8 rows", 1, 8), ("2 threads, 1 row", 2, 1)]
    for name, threads, batch in ways:
        wanted = Wanted(paths, OnnxRuntime(threads=threads, batch=batch))
        yield f"onnxruntime, {name}", by_name(paths, file_times(wanted).files)
    for name, threads, batch in ways if openvino else ():
        wanted = Wanted(paths, OnnxRuntime("OpenVINO", threads=threads, batch=batch))
        timed = timed_elsewhere(Place(openvino), wanted)
        assert not any("runs none" in note for note in timed.notes)
        yield f"OpenVINO, {name}", by_name(paths, timed.files)


def by_name(paths: tuple[Path, ...], timed: list[FileTimes]) -> dict[str, FileTimes]:
    return {path.stem: one for path, one in zip(paths, timed, strict=True)}


def repeated(paths: tuple[Path, ...], repeats: int) -> list[float]:
    """The latency of the second file over the first's, taken anew each time, on busy cores."""
    with busy(max(1, (os.cpu_count() or 1) - 1)):
        found = [file_times(Wanted(paths[:2])).files for _ in range(repeats)]
    return [second.latency_ms / base.latency_ms for base, second in found]


@contextmanager
def busy(count: int) -> Iterator[None]:
    """Processes that multiply matrices meanwhile."""
    others = [multiprocessing.Process(target=multiply, daemon=True) for _ in range(count)]
    for other in others:
        other.start()
    yield
    for other in others:
        other.kill()


def multiply() -> None:
    matrix = np.random.default_rng(0).normal(size=(600, 600))
    while True:
        matrix = np.tanh(matrix @ matrix)


def summary(columns: dict[str, dict[str, FileTimes]], ratios: list[float]) -> dict[str, Any]:
    def speedup(way: str) -> float:
        """How many times faster 8 bits are than fp32: of four networks the least."""
        times = columns[f"onnxruntime, {way}"]
        return min(
            times[f"{name} fp32"].latency_ms / times[f"{name} int8"].latency_ms for name in NETWORKS
        )

    orders = {
        name: sorted(times, key=lambda n: times[n].latency_ms) for name, times in columns.items()
    }
    pairs = {
        tuple(sorted((a, b)))
        for order in orders.values()
        for other in orders.values()
        for a in order
        for b in order
        if a != b and (order.index(a) < order.index(b)) != (other.index(a) < other.index(b))
    }
    low, high = np.quantile(ratios, [0.1, 0.9])
    return {
        "least_int8_speedup_1_row": round(speedup("1 thread, 1 row"), 2),
        "least_int8_speedup_8_rows": round(speedup("1 thread, 8 rows"), 2),
        "repeat_p90_over_p10": round(float(high / low), 4),
        "pairs_that_flip": sorted(" / ".join(pair) for pair in pairs),
        "fastest_first": orders,
    }


def plot(columns: dict[str, dict[str, FileTimes]], path: Path) -> None:
    """Latencies over that of the first file, a group of bars for each way to run them."""
    figure, axes = plt.subplots(figsize=(10, 4.2), layout="constrained")
    names = list(next(iter(columns.values())))
    for number, name in enumerate(names):
        ratios = [t[name].latency_ms / t[names[0]].latency_ms for t in columns.values()]
        places = np.arange(len(columns)) + (number - len(names) / 2) * 0.1
        axes.bar(places, ratios, 0.09, label=name)
    axes.set_xticks(range(len(columns)), [name.replace(", ", "\n") for name in columns])
    axes.set_ylabel(f"latency over {names[0]}")
    axes.legend(ncols=4, loc="upper center", bbox_to_anchor=(0.5, 1.18), frameon=False)
    figure.savefig(path, dpi=120)


if __name__ == "__main__":
    main()
