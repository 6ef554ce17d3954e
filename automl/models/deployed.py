"""A network between raw rows and answers in the user's units, as it is exported."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from automl.data.arrays import MAX_ANSWERED, answered_at_once
from automl.data.dataset import DatasetInfo, Scaling
from automl.models.binned import Bins
from automl.models.family import ModelFamily, Network, seen_shape
from automl.models.out_of_memory import fewer_rows


class Inputs(nn.Module):
    """Raw rows (rows, *raw row) as a network sees them, (rows, *input shape): text as int64,
    numbers of mean 0 and deviation 1, or coded by the bins of its family.

    In a table a missing number becomes its column's mean, and a category a one of its own
    (missing or unknown: none).
    """

    mean: Tensor
    std: Tensor

    def __init__(self, info: DatasetInfo, family: ModelFamily) -> None:
        super().__init__()
        self.seen_shape = seen_shape(family, info)
        self.shape, self.is_text = info.input_shape, bool(info.num_tokens)
        broadcast = (-1, *[1] * (len(info.input_shape) - 1))
        for name, values in vars(family.scaling(info)).items():
            self.register_buffer(name, torch.tensor(values).reshape(broadcast))
        knots = family.knots(info)
        self.bins = Bins(knots) if knots else None
        self.table = _Columns(info) if info.columns else None

    def forward(self, rows: Tensor) -> Tensor:
        if self.is_text:
            return rows.long()
        if self.table is None:
            numbers = rows.float().reshape(-1, *self.shape)
            return self._scaled(numbers) if self.bins is None else self.bins(numbers)
        numbers, flags = self.table(rows)
        if self.bins is None:
            scaled = self._scaled(numbers)
            numbers = torch.where(scaled.isnan(), 0.0, scaled)
        else:
            numbers = self.bins(torch.where(numbers.isnan(), self.mean, numbers))
        return torch.cat([numbers, flags], dim=1)

    def _scaled(self, numbers: Tensor) -> Tensor:
        return (numbers - self.mean) / self.std


class Deployed(nn.Module):
    """Raw rows (rows, *raw row) to logits (rows, classes), or to predictions (rows, outputs) in the
    units of the targets."""

    def __init__(self, network: Network, info: DatasetInfo) -> None:
        super().__init__()
        self.inputs = Inputs(info, network.spec.model)
        self.model = network
        targets = network.spec.model.target_scaling(info)
        self.outputs = None if info.classes else _Unscale(targets)

    def forward(self, rows: Tensor) -> Tensor:
        answers: Tensor = self.model(self.inputs(rows))
        return answers if self.outputs is None else self.outputs(answers)


def seen_by(network: Network, rows: NDArray[np.generic], info: DatasetInfo) -> Tensor:
    """Raw rows (rows, *raw row) as the network itself sees them, (rows, *input shape)."""
    seen: Tensor = Inputs(info, network.spec.model)(torch.from_numpy(rows))
    return seen


def standardised(targets: Tensor, info: DatasetInfo, family: ModelFamily) -> Tensor:
    """Targets as a family's network learns them: class numbers (rows,), or (rows, outputs) of mean
    0 and deviation 1 unless the family says otherwise."""
    if info.classes:
        return targets
    mean, std = (torch.tensor(values) for values in vars(family.target_scaling(info)).values())
    return (targets - mean) / std


def predict(network: nn.Module, rows: Tensor, batch_size: int = MAX_ANSWERED) -> Tensor:
    """Outputs (rows, ...) for `rows` (rows, ...), in evaluation mode, without gradients, on the
    network's device; of fewer rows at once where `batch_size` would be slow or too large."""
    network.eval()
    device, parts = device_of(network), list[Tensor]()
    if device.type == "cpu":
        batch_size = answered_at_once(rows.shape[1:], batch_size)
    at_once = batch_size
    with torch.inference_mode():
        for batch in torch.split(rows, batch_size):
            answered, at_once = answers(network, batch.to(device), at_once)
            parts.append(answered)
        return torch.cat(parts).clone()


def answers(network: nn.Module, rows: Tensor, at_once: int) -> tuple[Tensor, int]:
    """The outputs (rows, ...) of a network for `rows` (rows, ...) on its device, of so many at once
    or fewer where memory is too small, and of how many."""

    def of_parts(size: int) -> Tensor:
        parts = [network(part) for part in torch.split(rows, size)]
        return parts[0] if len(parts) == 1 else torch.cat(parts)

    return fewer_rows(of_parts, max(1, min(at_once, len(rows))))


def device_of(network: nn.Module) -> torch.device:
    """The device of a network's numbers; the processor where it has none."""
    tensors = (*network.parameters(), *network.buffers())
    return next((tensor.device for tensor in tensors), torch.device("cpu"))


class _Columns(nn.Module):
    """Splits a table's rows (rows, columns) into numbers (rows, numbers) and, for each category,
    flags of the rows that are of it (rows, categories)."""

    numbers: Tensor
    places: Tensor
    codes: Tensor

    def __init__(self, info: DatasetInfo) -> None:
        super().__init__()
        numbers = [i for i, column in enumerate(info.columns) if not column.categories]
        pairs = [
            (i, code)
            for i, column in enumerate(info.columns)
            for code in range(len(column.categories))
        ]
        self.register_buffer("numbers", torch.tensor(numbers, dtype=torch.int64))
        self.register_buffer("places", torch.tensor([i for i, _ in pairs], dtype=torch.int64))
        self.register_buffer("codes", torch.tensor([code for _, code in pairs]).float())

    def forward(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        flags: Tensor = torch.eq(rows.index_select(1, self.places), self.codes)
        return rows.index_select(1, self.numbers), flags.float()


class _Unscale(nn.Module):
    """Moves answers (rows, outputs) to the targets' own mean and deviation."""

    mean: Tensor
    std: Tensor

    def __init__(self, scaling: Scaling) -> None:
        super().__init__()
        for name, values in vars(scaling).items():
            self.register_buffer(name, torch.tensor(values))

    def forward(self, answers: Tensor) -> Tensor:
        return answers * self.std + self.mean
