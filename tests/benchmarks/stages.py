"""Processor seconds of each stage of a trial, for networks of 5 and 11 million parameters.

python tests/benchmarks/stages.py [NETWORK ...]

Rows are random pictures of 64 x 64: 480 to train on, 160 to measure; one epoch is of 96 of them.
One thread. The last line is all of it as JSON.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from automl.compression.factorize import Factorize
from automl.compression.prune import Prune
from automl.compression.quantize import Quantize
from automl.data import dataset
from automl.data.dataset import Data, Split
from automl.data.npz import Npz
from automl.export import onnx
from automl.measure.machine import machine
from automl.measure.measurement import measure
from automl.models.family import Network, untrained
from automl.models.imported import Imported
from automl.recipe import Context, Step
from automl.store import Store
from automl.training.loop import Train
from automl.training.schedules import Fixed
from automl.trial.checked_file import check_file
from automl.trial.checkpoints import Checkpoints

SIDE, CLASSES, NUM_ROWS, LEARNED_ROWS = 64, 10, 800, 96
STEPS: dict[str, Step] = {
    "bits": Quantize(average_bits=4.0, training=Train(epochs=0)),
    "prune": Prune(0.5),
    "factorize": Factorize(),
}


class Residual(nn.Module):
    """Two convolutions beside a way around them."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            *(nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs)),
            *(nn.ReLU(), nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)),
            nn.BatchNorm2d(outputs),
        )
        around = nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)
        self.skip = nn.Identity() if inputs == outputs else nn.Sequential(*around)

    def forward(self, images: Tensor) -> Tensor:
        return F.relu(self.body(images) + self.skip(images))


def resnet18() -> nn.Module:
    """ResNet-18, 11.2 million parameters."""
    parts = [nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64), nn.ReLU()]
    parts, inputs = [*parts, nn.MaxPool2d(3, 2, 1)], 64
    for outputs in (64, 128, 256, 512):
        stride = 1 if outputs == inputs else 2
        parts += [Residual(inputs, outputs, stride), Residual(outputs, outputs, 1)]
        inputs = outputs
    return nn.Sequential(*parts, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, CLASSES))


class Encoder(nn.Module):
    """A layer of a vision Transformer."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.query, self.key, self.value, self.out = (nn.Linear(width, width) for _ in range(4))
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, tokens: Tensor) -> Tensor:
        rows, length, width = tokens.shape
        seen, split = self.norm(tokens), (rows, length, self.heads, width // self.heads)
        layers = (self.query, self.key, self.value)
        heads = (layer(seen).reshape(split).transpose(1, 2) for layer in layers)
        mixed = F.scaled_dot_product_attention(*heads).transpose(1, 2)
        tokens = tokens + self.out(mixed.reshape(rows, length, width))
        return tokens + self.down(F.gelu(self.up(self.norm2(tokens))))


class VitTiny(nn.Module):
    """A vision Transformer on patches of 8 x 8, 5.4 million parameters."""

    def __init__(self, width: int = 192, depth: int = 12) -> None:
        super().__init__()
        self.patch = nn.Conv2d(3, width, 8, 8)
        self.place = nn.Parameter(0.02 * torch.randn(1, (SIDE // 8) ** 2, width))
        self.layers = nn.Sequential(*(Encoder(width, 3) for _ in range(depth)))
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, CLASSES)

    def forward(self, images: Tensor) -> Tensor:
        tokens = self.patch(images).flatten(2).transpose(1, 2) + self.place
        return self.head(self.norm(self.layers(tokens)).mean(1))  # type: ignore[no-any-return]


def vit_tiny() -> nn.Module:
    """A tiny vision Transformer."""
    return VitTiny()


def main() -> None:
    torch.set_num_threads(1)
    found = {name: stages(name) for name in sys.argv[1:] or ("resnet18", "vit_tiny")}
    print(json.dumps({"networks": found, "machine": machine()}))


def stages(name: str) -> dict[str, float]:
    """The processor seconds of each stage for a network of this file."""
    with tempfile.TemporaryDirectory() as folder:
        data = dataset.load(pictures(Path(folder)), 0, Path(folder))
        network = untrained(Imported(f"{Path(__file__).stem}:{name}"), data.info)
        took: dict[str, float] = {}

        def timed(stage: str, make: Callable[[], Any]) -> Any:
            started = time.process_time()
            made = make()
            took[stage] = round(time.process_time() - started, 2)
            print(f"{name} {stage}: {took[stage]} s", flush=True)
            return made

        few = replace(data, train=first(data.train, LEARNED_ROWS))
        train = Train(epochs=1, batch_size=Fixed(32))
        network = timed("train 96 rows", lambda: taken(train, network, few))
        timed("export", lambda: onnx.export(network, data))
        timed("export again", lambda: onnx.export(network, data))
        coded = timed("quantize", lambda: taken(Quantize(), network, data))
        file = timed("export 8 bits", lambda: onnx.export(coded, data))
        timed("gate", lambda: check_file(file, coded.cpu(), data))
        timed("measure", lambda: measure(file, data.validation.inputs, data.validation.targets))
        for stage, step in STEPS.items():
            timed(stage, lambda step=step: taken(step, network, data))
    return took


def taken(step: Step, network: Network, data: Data) -> Network:
    """The network that a step makes."""
    with tempfile.TemporaryDirectory() as folder:
        checkpoints = Checkpoints(Store(folder), step.label)
        running = step.run(network, Context(data, 0, "cpu", no_teacher, checkpoints))
        while True:
            try:
                next(running)
            except StopIteration as end:
                made: Network = end.value
                return made


def pictures(folder: Path) -> Npz:
    """Noisy pictures, each class with its own coarse pattern."""
    random = np.random.default_rng(0)
    targets = random.integers(0, CLASSES, NUM_ROWS)
    coarse = random.normal(size=(CLASSES, 3, 8, 8)).repeat(8, 2).repeat(8, 3)
    inputs = coarse[targets] + random.normal(size=(NUM_ROWS, 3, SIDE, SIDE))
    np.savez(folder / "pictures.npz", inputs=inputs.astype(np.float32), targets=targets)
    return Npz(str(folder / "pictures.npz"))


def first(rows: Split, count: int) -> Split:
    return Split(rows.inputs[:count], rows.targets[:count], rows.rows[:count])


def no_teacher(label: object) -> Network:
    raise AssertionError(label)


if __name__ == "__main__":
    main()
