"""The recipes that are replayed: every family, every step and every bit width, in seconds.

What is trained differs between processors, and figures that go by it are left out of replay.json:
a recipe names them in `varies`. Uniform cuts, fixed ranks and fixed bits go by no trained number,
nor does a clipped layer in fp32: so many weights stay. Codebooks are filled up to the number of
codes. But the exporter merges equal constants, and zero points are equal by chance, unless all
layers read what a ReLU gives.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from automl.compression.binarize import Binarize
from automl.compression.clip import Clip
from automl.compression.factorize import Factorize
from automl.compression.prune import Prune
from automl.compression.quantize import Quantize
from automl.compression.remove_layers import RemoveLayers
from automl.data.dataset import Dataset
from automl.data.linear_map import LinearMap
from automl.data.sklearn import Sklearn
from automl.data.text import Text
from automl.measure.latency import Estimate, Timing
from automl.models.convnet import ConvNet
from automl.models.convnet1d import ConvNet1d
from automl.models.family import ModelFamily
from automl.models.imported import Imported
from automl.models.linear import Linear
from automl.models.mlp import MLP
from automl.models.mobilenet import MobileNet, MobileNetStage
from automl.models.resnet import ResNet, ResNetStage
from automl.models.transformer import Transformer, TransformerLayer
from automl.recipe import Report, Sibling, Step
from automl.space.space import TrialConfig
from automl.store import Store
from automl.training.distillation import Distill, Joint, Mutual
from automl.training.loop import Train
from automl.trial.result import TrialResult
from automl.trial.trial import run

torch.set_num_threads(1)
NAMES = Path(__file__).parents[2] / "automl" / "search_spaces" / "first_names.csv"
IMAGES, SERIES, TABLE = Sklearn("digits"), Sklearn("digits", (8, 8)), Sklearn("wine")
MAP, TEXT = LinearMap(num_inputs=32, num_outputs=16, num_rows=600), Text(str(NAMES), 16)
ENCODER = Transformer((TransformerLayer(2, 16), TransformerLayer(2, 16)), width=16)


def net() -> nn.Module:
    """A module that is no family's."""
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(16, 16, 3, padding=1),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(16, 10),
    )


@dataclass(frozen=True)
class Case:
    """A recipe on a model; `varies` are the figures that differ between processors."""

    data: Dataset
    model: ModelFamily
    steps: tuple[Step, ...]
    varies: tuple[str, ...] = ()


def case(data: Dataset, model: ModelFamily, *steps: Step, varies: tuple[str, ...] = ()) -> Case:
    """The steps after a training."""
    return Case(data, model, (Train(epochs=1), *steps), varies)


def tune(**fields: Any) -> Train:
    return Train(label="fine_tune", epochs=1, **fields)


CASES = {
    "linear-factorized": case(MAP, Linear(), Factorize(linear="svd", rank=2)),
    "mlp-8": case(
        *(TABLE, MLP((32, 32)), RemoveLayers(), Prune(0.5), tune(loss=Distill("train"))),
        Quantize(bits=8),
    ),
    "mlp-codebook-2": case(
        *(IMAGES, MLP((32,)), tune(loss=Mutual())),
        Quantize(bits=2, ends_bits=2, codebook=True, training=Train(epochs=1)),
    ),
    "mlp-binarized": case(
        TABLE, MLP((16,)), tune(loss=Distill(Sibling((Train(epochs=1),)))), Binarize(epochs=1)
    ),
    # One layer is held as gaps; were one above 255, it would be longer: here none is.
    "mlp-clipped": case(IMAGES, MLP((128,)), Clip(0.9), tune()),
    # Of the weights that stay some are rounded to 0, and those take no place either.
    "mlp-clipped-8": case(
        *(IMAGES, MLP((128,)), Clip(pattern="1:4"), Quantize()), varies=("initializers", "length")
    ),
    "convnet-4": case(IMAGES, ConvNet((16, 16)), Quantize(bits=4)),
    "convnet-1": case(
        *(IMAGES, ConvNet((16, 16, 16)), Prune(0.5, multiple=4, keep=("block2.conv",))),
        Quantize(bits=1, ends_bits=2, training=Train(epochs=1)),
    ),
    # Zero points: no ReLU stands between two factors.
    "convnet-factorized-4": case(
        *(IMAGES, ConvNet((16, 24)), Factorize(rank=4), tune(), Quantize(bits=4)),
        varies=("scalars", "length"),
    ),
    "resnet-binarized": case(
        *(IMAGES, ResNet((ResNetStage(16, 3),)), RemoveLayers(2), Binarize(epochs=1, ends=False))
    ),
    "mobilenet-pruned": case(
        IMAGES, MobileNet((MobileNetStage(16, 2),)), Prune(0.5, rounds=2, fine_tune_epochs=1)
    ),
    "transformer-clipped": case(IMAGES, ENCODER, RemoveLayers(), Clip(0.75), tune()),
    # Zero points: GELUs and norms.
    "transformer-text-8": case(TEXT, ENCODER, Prune(0.5), Quantize(), varies=("scalars", "length")),
    "convnet1d-binarized": case(
        SERIES, ConvNet1d((16, 16)), Binarize(epochs=1, loss=Joint(width_factor=2.0))
    ),
    "imported-8": case(IMAGES, Imported(net), Prune(0.5), Quantize()),
    # Widths, ranks and bits are those that trained weights miss least.
    "by-sensitivity": case(
        *(IMAGES, ConvNet((16, 16, 16)), Prune(0.5, scope="sensitivity", score="taylor")),
        *(Factorize(average_share=0.6), Quantize(average_bits=3.0, training=Train(epochs=1))),
        varies=("count", "operators", "initializers", "scalars", "length"),
    ),
}


def play(case: Case, cache: Path) -> tuple[list[str], bytes]:
    """What a trial said, how it ended last, and its file, if any."""
    files: list[bytes] = []

    def keep(file: bytes, row: Any, make: Any) -> Callable[[], Timing]:
        files.append(file)
        return lambda: Timing(Estimate(1.0, 0.0), Estimate(1.0, 0.0))

    with tempfile.TemporaryDirectory(prefix="automl-replay-") as folder:
        config = TrialConfig(case.data, case.model, case.steps)
        said = list(_said(run(config, Store(folder), keep, cache)))
    return said, files[0] if files else b""


def _said(trial: Generator[Report, None, TrialResult]) -> Iterator[str]:
    while True:
        try:
            report = next(trial)
        except StopIteration as end:
            yield f"{end.value.status} {end.value.reason}".strip()
            return
        yield f"{report.step} {report.epoch}/{report.epochs}: {' '.join(sorted(report.metrics))}"
