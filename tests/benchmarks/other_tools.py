"""The same trained networks through this package's compressions and through other tools.

python tests/benchmarks/other_tools.py [--networks NAME ...] [--seeds 3]

Networks are trained on digits, once for all tools. onnxruntime gets the fp32 file: static
quantization to 8 bits (QDQ, uint8 activations, int8 weights by channels, calibrated on the rows
that ours sees), and 4-bit weights of matrix products. torchao gets the torch module: int8 weights
of linear layers, and static int8 by pt2e, which stays a `.pt2` file, since its operators do not go
to ONNX. Torch-Pruning cuts to the number of parameters that our `Prune` leaves; what is left is
fine-tuned and exported as ours is. Quality is that on rows that were not learned from, latency is
what `automl measure` finds for the files of the first seed in turn with the fp32 file. Networks and
seeds that are in the results already are not run again.
"""

from __future__ import annotations

import argparse
import json
import logging
import statistics
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import report_file
import torch
from cells import file_of
from compression import accuracy, held_out
from other_tools_files import (
    FOUR_BITS,
    IN_TORCH,
    PRUNE_HALF,
    PRUNED,
    STATIC,
    TO_ONNX,
    Parent,
)
from torch import nn

from automl import quality
from automl.compression.quantize import Quantize
from automl.measure.file_times import Wanted, file_times
from automl.recipe import Step
from automl.runtimes import onnx as runtime

RESULTS = report_file.path("other_tools")
NETWORKS = ("ResNet", "MobileNet", "Transformer")
OURS: dict[str, tuple[Step, ...]] = {
    "w8a8": (Quantize(8),),
    "w4a8": (Quantize(4),),
    "w2a8": (Quantize(2),),
    "w1a8": (Quantize(1),),
    "prune half": PRUNE_HALF,
}
PACKAGES = ("onnxruntime", "torch", "torchao", "torch-pruning")


@dataclass(frozen=True)
class Point:
    """A compressed network as its tool writes it: an ONNX file where the latency is known."""

    network: str
    technique: str
    seed: int
    accuracy: float
    drop_points: float
    size_bytes: int
    times_smaller: float
    latency_over_fp32: float | None = None


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=NETWORKS)
    parser.add_argument("--seeds", type=int, default=3)
    given = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    points = report_file.parts(RESULTS).get("points", [])
    for seed in range(given.seeds):
        for name in given.networks:
            if not any(one["network"] == name and one["seed"] == seed for one in points):
                points += map(asdict, compared(Parent.of(name, seed)))
                report_file.write(RESULTS, {"summary": summary(points), "points": points}, PACKAGES)
    print(json.dumps(summary(points), indent=1))


def summary(points: list[dict[str, Any]]) -> dict[str, float]:
    """Medians over seeds, ours beside the tool that does the same."""
    found: dict[str, float] = {}
    pairs = (("w8a8", STATIC), ("w4a8", FOUR_BITS), ("prune half", PRUNED))
    for name in NETWORKS:
        for ours, theirs in pairs:
            own, other = (median(points, name, technique) for technique in (ours, theirs))
            if own and other:
                key = f"{name}_{ours.replace(' ', '_')}"
                tool = theirs.split(",")[0].replace("-", "_")
                ahead = own["accuracy"] - other["accuracy"]
                found[f"{key}_points_above_{tool}"] = round(ahead, 2)
                share = own["size_bytes"] / other["size_bytes"]
                found[f"{key}_bytes_over_{tool}"] = round(share, 3)
    return found


def median(points: list[dict[str, Any]], name: str, technique: str) -> dict[str, float]:
    """The median of each figure over a network's seeds; empty where a technique has none."""
    own = [p for p in points if (p["network"], p["technique"]) == (name, technique)]
    if not own:
        return {}
    figures = ("accuracy", "drop_points", "size_bytes", "times_smaller")
    return {figure: statistics.median(p[figure] for p in own) for figure in figures}


def compared(parent: Parent) -> Iterator[Point]:
    """All points of a network, the fp32 file first."""
    files = {"fp32": parent.file}
    files |= {name: file_of(parent.extended(*steps)) for name, steps in OURS.items()}
    files |= {name: make(parent) for name, make in TO_ONNX.items()}
    # Where nothing is quantized, the file is the parent's.
    files = {
        name: file for name, file in files.items() if name != FOUR_BITS or shrank(file, parent)
    }
    first = accuracy(parent.config)
    ratios = latencies(files) if parent.config.seed == 0 else {}
    for technique, file in files.items():
        found = answered(parent, lambda rows, file=file: runtime.run(runtime.session(file), rows))
        yield point(parent, technique, found, first, len(file), ratios.get(technique))
    for technique, make_module in IN_TORCH.items():
        module, size = make_module(parent)
        yield point(parent, technique, answered(parent, in_torch(module)), first, size, None)


def shrank(file: bytes, parent: Parent) -> bool:
    return len(file) < len(parent.file)


def point(
    parent: Parent, technique: str, found: float, first: float, size: int, ratio: float | None
) -> Point:
    made = Point(
        *(parent.name, technique, parent.config.seed),
        accuracy=round(found, 3),
        drop_points=round(first - found, 2),
        size_bytes=size,
        times_smaller=round(len(parent.file) / size, 2),
        latency_over_fp32=ratio,
    )
    print(made, flush=True)
    return made


def answered(parent: Parent, answer: Callable[[Any], Any]) -> float:
    """The accuracy of answers on the rows that were not learned from."""
    inputs, targets = held_out(parent.config.dataset, parent.config.seed)
    return 100 * quality.Accuracy()(answer(inputs), targets)


def in_torch(module: nn.Module) -> Callable[[Any], Any]:
    def answer(inputs: Any) -> Any:
        with torch.no_grad():
            return module(torch.from_numpy(inputs).float()).numpy()

    return answer


def latencies(files: Mapping[str, bytes]) -> dict[str, float]:
    """The latency of each file over that of the first, as `automl measure` takes it."""
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder, f"{number}.onnx") for number in range(len(files))]
        for path, file in zip(paths, files.values()):
            path.write_bytes(file)
        times = file_times(Wanted(tuple(paths))).files
    return {name: round(own.latency_ms / times[0].latency_ms, 3) for name, own in zip(files, times)}


if __name__ == "__main__":
    main()
