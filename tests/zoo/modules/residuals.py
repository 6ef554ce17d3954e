"""Residual modules, and others in which one object or tensor is used more than once. Own ideas."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from zoo.declared import declared


@declared("images")
class InplaceBranches(nn.Module):
    """Branches added in place: all of them read one and the same tensor object."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.head = nn.Conv2d(3, 32, 4, 4), nn.Linear(32, 8)
        self.up = nn.ModuleList(nn.Linear(32, 64) for _ in range(6))
        self.down = nn.ModuleList(nn.Linear(64, 32) for _ in range(6))

    def forward(self, x: Tensor) -> Tensor:
        x = 0.1 * self.stem(x).flatten(2).transpose(1, 2)
        for up, down in zip(self.up, self.down):
            x += 2.0 * down(up(x).relu())
        return self.head(x.mean(1))


@declared("images")
class ReluTwice(nn.Module):
    """One ReLU object after a convolution, and again where nothing else makes its sum positive."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Conv2d(3, 32, 3, 2, 1), nn.Conv2d(32, 32, 3, padding=1)
        self.c, self.relu = nn.Conv2d(32, 32, 3, padding=1), nn.ReLU()
        self.head = nn.Linear(32, 8)

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(self.a(x))
        x = self.relu(self.b(x)) - self.c(x)
        return self.head(self.relu(x).mean((2, 3)))


class InplaceBlock(nn.Module):
    """torchvision's basic block: one inplace ReLU, used twice, and norms as attributes."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(dim, dim, 3, padding=1, bias=False), nn.BatchNorm2d(dim)
        self.conv2, self.bn2 = nn.Conv2d(dim, dim, 3, padding=1, bias=False), nn.BatchNorm2d(dim)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        identity = x
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        out += identity
        return self.relu(out)


class Down(nn.Module):
    """A basic block that halves the sides, its skip through a convolution."""

    def __init__(self, dim: int, out: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(dim, out, 3, 2, 1, bias=False), nn.BatchNorm2d(out)
        self.conv2, self.bn2 = nn.Conv2d(out, out, 3, padding=1, bias=False), nn.BatchNorm2d(out)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = nn.Sequential(nn.Conv2d(dim, out, 1, 2, bias=False), nn.BatchNorm2d(out))

    def forward(self, x: Tensor) -> Tensor:
        out = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        out += self.downsample(x)
        return self.relu(out)


@declared("images", blocks="layer1.0 layer1.1 layer2.1")
class BasicResNet(nn.Module):
    """A small ResNet as torchvision writes it."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, 32, 3, 1, 1, bias=False), nn.BatchNorm2d(32)
        self.relu, self.maxpool = nn.ReLU(inplace=True), nn.MaxPool2d(3, 2, 1)
        self.layer1 = nn.Sequential(InplaceBlock(32), InplaceBlock(32))
        self.layer2 = nn.Sequential(Down(32, 48), InplaceBlock(48))
        self.avgpool, self.fc = nn.AdaptiveAvgPool2d(1), nn.Linear(48, 8)

    def forward(self, x: Tensor) -> Tensor:
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        return self.fc(torch.flatten(self.avgpool(self.layer2(self.layer1(x))), 1))


@declared("images")
class ReluOfTheSkip(nn.Module):
    """x + f(x), where an inplace relu within f has changed x."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 32, 3, 2, 1)
        self.f = nn.Sequential(nn.ReLU(inplace=True), nn.Conv2d(32, 32, 3, padding=1))
        self.g = nn.Sequential(nn.ReLU(inplace=True), nn.Conv2d(32, 32, 3, padding=1))
        self.head = nn.Linear(32, 8)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        x = x + self.f(x)
        x = x + self.g(x)
        return self.head(x.mean((2, 3)))


@declared("images")
class ListWalkedByHand(nn.Module):
    """A list of layers, each added where its shape allows it."""

    def __init__(self) -> None:
        super().__init__()
        sizes = (64, 64, 64, 64, 96)
        self.stem, self.head = nn.Linear(768, 64), nn.Linear(96, 8)
        self.layers = nn.ModuleList(nn.Linear(*pair) for pair in zip(sizes, sizes[1:]))

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x.flatten(1)).relu()
        for layer in self.layers:
            y = layer(x).relu()
            x = x + y if y.shape == x.shape else y
        return self.head(x)


@declared("images")
class RunThreeTimes(nn.Module):
    """One block, run again and again: a recurrence over depth."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.head = nn.Conv2d(3, 48, 4, 4), nn.Linear(48, 8)
        self.step = nn.Sequential(nn.Conv2d(48, 48, 3, padding=1), nn.BatchNorm2d(48), nn.ReLU())

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        for _ in range(3):
            x = x + 0.5 * self.step(x)
        return self.head(x.mean((2, 3)))
