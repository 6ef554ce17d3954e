"""A space file as a user writes one: a dataset and a family of its own, in forty lines."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from torch import nn

from automl.compression.quantize import Quantize
from automl.data.dataset import Dataset
from automl.data.raw_dataset import RawDataset
from automl.models.family import Group, ModelFamily, Slice
from automl.space.domains import Float, Int, OneOf
from automl.space.space import Space, TrialConfig
from automl.training.loop import Train
from automl.training.schedules import Cosine


@dataclass(frozen=True)
class Rings(Dataset):
    path: str = "rings.npy"
    paths: ClassVar[tuple[str, ...]] = ("path",)

    def load(self) -> RawDataset:
        rows = np.load(self.path).astype(np.float32)
        return RawDataset(rows[:, 1:], rows[:, 0].astype(np.int64), (2,), ("inner", "outer"))


@dataclass(frozen=True)
class Net(ModelFamily):
    width: int = 16

    def build(self, input_shape, num_outputs):
        first, last = nn.Linear(*input_shape, self.width), nn.Linear(self.width, num_outputs)
        return nn.Sequential(first, nn.Tanh(), last)

    def groups(self):
        return [
            Group(self.width, (Slice("0.weight", 0), Slice("0.bias", 0)), (Slice("2.weight", 1),))
        ]

    def with_widths(self, sizes):
        return Net(*sizes)


recipe = (Train(learning_rate=Cosine(Float(0.01, 0.1)), epochs=20), OneOf(None, Quantize()))
space = Space(TrialConfig(Rings(), Net(Int(64, 256)), recipe))
