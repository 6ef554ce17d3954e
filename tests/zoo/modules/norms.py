"""Modules whose norms stand, or are called, in another way than one after one convolution.

Sources: pytorch/pytorch #45333, #118829; own ideas.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from zoo.declared import declared


@declared("images", refused="batch")
def norm_without_statistics() -> nn.Module:
    """Answers that depend on the batch: to be told, or refused."""
    return nn.Sequential(
        nn.Conv2d(3, 32, 3, padding=1),
        nn.BatchNorm2d(32, track_running_stats=False),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(32, 48, 3, padding=1),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(48, 8),
    )


class Residual(nn.Sequential):
    def forward(self, x: Tensor) -> Tensor:
        return x + super().forward(x)


@declared("images", blocks="3 6")
def residual_sequential() -> nn.Module:
    """A subclass of Sequential that adds its input, before a batch norm: ConvMixer's idiom."""
    return nn.Sequential(
        nn.Conv2d(3, 32, 2, 2),
        nn.GELU(),
        nn.BatchNorm2d(32),
        Residual(nn.Conv2d(32, 32, 1), nn.GELU(), nn.Conv2d(32, 32, 3, padding=1)),
        nn.BatchNorm2d(32),
        nn.GELU(),
        Residual(nn.Conv2d(32, 32, 1), nn.GELU(), nn.Conv2d(32, 32, 3, padding=1)),
        nn.BatchNorm2d(32),
        nn.GELU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(32, 8),
    )


@declared("images")
class NormsAsAttributes(nn.Module):
    """Batch norms of many channels that stand in no Sequential."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.n = nn.Conv2d(3, 32, 3, padding=1, bias=False), nn.BatchNorm2d(32)
        self.b, self.m = nn.Conv2d(32, 256, 1, bias=False), nn.BatchNorm2d(256)
        self.c = nn.Conv2d(256, 256, 3, padding=1, groups=256, bias=False)
        self.o = nn.BatchNorm2d(256)
        self.d, self.p = nn.Conv2d(256, 32, 1, bias=False), nn.BatchNorm2d(32)
        self.head, self.act = nn.Linear(32, 8), nn.SiLU()

    def forward(self, x: Tensor) -> Tensor:
        x = self.act(self.n(self.a(x)))
        x = self.p(self.d(self.act(self.o(self.c(self.act(self.m(self.b(x))))))))
        return self.head(x.mean((2, 3)))


@declared("images")
class WalkedByHand(nn.Module):
    """A Sequential whose parts forward calls in an order of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.parts = nn.Sequential(
            nn.Conv2d(3, 32, 3, 2, 1),
            nn.BatchNorm2d(32),
            nn.Conv2d(32, 32, 3, padding=1),
            nn.BatchNorm2d(32),
        )
        self.head = nn.Linear(32, 8)

    def forward(self, x: Tensor) -> Tensor:
        first, norm, second, other = self.parts
        # Each norm after the other's convolution, and a relu before one of them.
        x = norm(second(other(first(x).relu())))
        return self.head(x.relu().mean((2, 3)))


@declared("images")
class TwoNorms(nn.Module):
    """One convolution under two norms, each for a view of its own."""

    def __init__(self) -> None:
        super().__init__()
        conv = nn.Conv2d(3, 48, 3, padding=1)
        self.near = nn.Sequential(conv, nn.BatchNorm2d(48), nn.ReLU())
        self.far = nn.Sequential(conv, nn.BatchNorm2d(48), nn.ReLU())
        self.mid, self.head = nn.Linear(96, 48), nn.Linear(48, 8)

    def forward(self, x: Tensor) -> Tensor:
        views = [self.near(x).mean((2, 3)), self.far(F.avg_pool2d(x, 2)).mean((2, 3))]
        return self.head(self.mid(torch.cat(views, 1)).relu())


@declared("images")
class NormAndRaw(nn.Module):
    """A convolution whose result is read before its norm as well as after it."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 48, 3, padding=1), nn.BatchNorm2d(48))
        self.mid, self.head = nn.Conv2d(48, 48, 3, 2, 1), nn.Linear(48, 8)

    def forward(self, x: Tensor) -> Tensor:
        raw = self.body[0](x)
        return self.head(self.mid(self.body(x).relu() + 0.5 * raw).relu().mean((2, 3)))


@declared("images")
def norm_without_weights() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 32, 3, padding=1, bias=False),
        nn.BatchNorm2d(32, affine=False),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 3, padding=1),
        nn.BatchNorm2d(64, affine=False, momentum=None),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(64, 8),
    )


@declared("images")
def group_norm() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 32, 3, 2, 1),
        nn.GroupNorm(4, 32),
        nn.ReLU(),
        nn.Conv2d(32, 64, 3, padding=1),
        nn.GroupNorm(8, 64),
        nn.ReLU(),
        nn.Conv2d(64, 64, 3, padding=1),
        nn.InstanceNorm2d(64, affine=True),
        nn.ReLU(),
        nn.AdaptiveMaxPool2d(1),
        nn.Flatten(),
        nn.Linear(64, 8),
    )


class RMS(nn.Module):
    def __init__(self, dim: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(dim))

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6) * self.scale


@declared("images", blocks="blocks.0 blocks.1")
class RMSNorm(nn.Module):
    """A norm of one's own between linear layers."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.head = nn.Linear(768, 64), nn.Linear(64, 8)
        self.blocks = nn.ModuleList(
            Residual(RMS(64), nn.Linear(64, 128), nn.SiLU(), nn.Linear(128, 64)) for _ in range(2)
        )

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x.flatten(1))
        for block in self.blocks:
            x = block(x)
        return self.head(x)


@declared("images")
class NormBefore(nn.Module):
    """Pre-activation: the norm stands before the convolution, and a linear layer has its own."""

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Sequential(nn.BatchNorm2d(3), nn.Conv2d(3, 48, 3, 2, 1))
        self.b = nn.Sequential(nn.BatchNorm2d(48), nn.ReLU(), nn.Conv2d(48, 48, 3, padding=1))
        self.c = nn.Sequential(nn.Linear(48, 64), nn.BatchNorm1d(64), nn.ReLU())
        self.head = nn.Linear(64, 8)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.c(self.b(self.a(x)).relu().mean((2, 3))))
