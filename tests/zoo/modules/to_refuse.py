"""Modules that no search can compress honestly: each has to be refused before any training."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from zoo.declared import declared


@declared("images", refused="repeat|random|twice|same", must=True)
class RandomConstant(nn.Module):
    """Random numbers outside the state: another module each time that it is built."""

    def __init__(self) -> None:
        super().__init__()
        self.projection = torch.randn(768, 64) * 768**-0.5
        self.a, self.head = nn.Linear(64, 64), nn.Linear(64, 8)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.a(x.flatten(1) @ self.projection).relu())


@declared("images", refused="repeat|random|twice|same|drop", must=True)
class DropoutInEvaluation(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.head = nn.Conv2d(3, 32, 3, 2, 1), nn.Linear(32, 64), nn.Linear(64, 8)

    def forward(self, x: Tensor) -> Tensor:
        x = self.b(self.a(x).relu().mean((2, 3))).relu()
        return self.head(F.dropout(x, 0.5, training=True))


@declared("images", refused="batch|row|len(", must=True)
class LoopOverRows(nn.Module):
    """Python loops over the rows: the file's number of rows would be fixed."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.head = nn.Conv2d(3, 32, 3, 2, 1), nn.Linear(32, 64), nn.Linear(64, 8)

    def forward(self, x: Tensor) -> Tensor:
        rows = [self.b(self.a(row[None]).relu().mean((2, 3))[0]) for row in x]
        return self.head(torch.stack(rows).relu())


@declared("images", refused="value|data|depend", must=True)
class BranchesOnValues(nn.Module):
    """Control flow that goes by the values of the rows."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.head = nn.Conv2d(3, 32, 3, 2, 1), nn.Linear(32, 64), nn.Linear(64, 8)

    def forward(self, x: Tensor) -> Tensor:
        x = self.a(x).relu() if x.mean() > 0 else self.a(-x)
        return self.head(self.b(x.mean((2, 3))).relu())


@declared("images", refused="batch|row", must=True)
class BatchOfThirtyTwo(nn.Module):
    """A batch size written into forward."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.head = nn.Conv2d(3, 32, 3, 2, 1), nn.Linear(32, 64), nn.Linear(64, 8)

    def forward(self, x: Tensor) -> Tensor:
        x = self.a(x).relu().mean((2, 3)).view(32, 32)
        return self.head(self.b(x).relu())
