"""A made regression: a noisy linear map, whose best loss is known."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from automl.data.dataset import Dataset
from automl.data.raw_dataset import RawDataset
from automl.field_types import Count, NotNegative, Whole


@dataclass(frozen=True)
class LinearMap(Dataset):
    """Rows of y = Wx + b + noise, where x is standard normal.

    Without noise an output of many inputs has variance about 1. An output of few inputs may have
    another.
    """

    num_inputs: Count = 64
    num_outputs: Count = 10
    num_rows: Count = 2000
    noise: NotNegative = 0.1
    seed: Whole = 0

    def load(self) -> RawDataset:
        rng = np.random.default_rng(self.seed)
        weight = rng.normal(size=(self.num_inputs, self.num_outputs)) / self.num_inputs**0.5
        bias = rng.normal(size=self.num_outputs)
        inputs = rng.normal(size=(self.num_rows, self.num_inputs))
        noise = self.noise * rng.normal(size=(self.num_rows, self.num_outputs))
        targets = inputs @ weight + bias + noise
        return RawDataset(inputs.astype(np.float32), targets.astype(np.float32), (self.num_inputs,))
