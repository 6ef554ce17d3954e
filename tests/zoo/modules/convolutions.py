"""Convolutional modules, as trained models of images and volumes have them.

Sources: VainF/Torch-Pruning #14, #99, #40, #415, #481; microsoft/nni #5416, #3013;
openvinotoolkit/nncf #175, #889; intel/neural-compressor #2460; pytorch/pytorch #100654.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from zoo.declared import declared


class Residual(nn.Module):
    def __init__(self, dim: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(dim, dim, 3, padding=1, bias=False),
            nn.BatchNorm2d(dim),
            nn.ReLU(),
            nn.Conv2d(dim, dim, 3, padding=1, bias=False),
            nn.BatchNorm2d(dim),
        )
        self.act = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        return self.act(x + self.body(x))


@declared("images", blocks="3 4")
def plain() -> nn.Module:
    """A control: every relu a module of its own, batch norms in Sequentials."""
    return nn.Sequential(
        nn.Conv2d(3, 32, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        Residual(32),
        Residual(32),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(32, 8),
    )


class Shuffle(nn.Module):
    """ShuffleNet v2's unit: chunk, one branch, concat, shuffle by view and transpose."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        half = dim // 2
        self.branch = nn.Sequential(
            nn.Conv2d(half, half, 1, bias=False),
            nn.BatchNorm2d(half),
            nn.ReLU(inplace=True),
            nn.Conv2d(half, half, 3, padding=1, groups=half, bias=False),
            nn.BatchNorm2d(half),
            nn.Conv2d(half, half, 1, bias=False),
            nn.BatchNorm2d(half),
            nn.ReLU(inplace=True),
        )

    def forward(self, x: Tensor) -> Tensor:
        left, right = x.chunk(2, dim=1)
        x = torch.cat([left, self.branch(right)], 1)
        b, c, h, w = x.shape
        return x.view(b, 2, c // 2, h, w).transpose(1, 2).reshape(b, c, h, w)


@declared("images", blocks="2 3")
def channel_shuffle() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 32, 3, 2, 1),
        nn.ReLU(),
        Shuffle(32),
        Shuffle(32),
        nn.Conv2d(32, 64, 1),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(64, 8),
    )


@declared("images")
class UNet(nn.Module):
    """A transposed convolution, a skip by concat, and a classifier over the output."""

    def __init__(self) -> None:
        super().__init__()
        self.d1, self.d2 = nn.Conv2d(3, 16, 3, padding=1), nn.Conv2d(16, 32, 3, padding=1)
        self.mid = nn.Conv2d(32, 64, 3, padding=1)
        self.up = nn.ConvTranspose2d(64, 32, 2, stride=2)
        self.u2, self.head = nn.Conv2d(64, 32, 3, padding=1), nn.Linear(32, 8)
        self.pool = nn.MaxPool2d(2)

    def forward(self, x: Tensor) -> Tensor:
        a = self.d2(self.d1(x).relu()).relu()
        b = self.mid(self.pool(a)).relu()
        x = self.u2(torch.cat([a, self.up(b)], 1)).relu()
        return self.head(x.mean((2, 3)))


@declared("images")
def grouped() -> nn.Module:
    """Grouped, depthwise with a multiplier of 2, dilated, padding="same", without biases."""
    return nn.Sequential(
        nn.Conv2d(3, 32, 3, padding="same", bias=False),
        nn.ReLU(),
        nn.Conv2d(32, 64, 3, padding=1, groups=32),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(64, 64, 3, padding="same", dilation=2, groups=4),
        nn.ReLU(),
        nn.Conv2d(64, 48, (1, 3), padding="same"),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(48, 8, bias=False),
    )


class NextBlock(nn.Module):
    def __init__(self, dim: int) -> None:
        super().__init__()
        self.dw = nn.Conv2d(dim, dim, 7, padding=3, groups=dim)
        self.norm = nn.LayerNorm(dim, eps=1e-6)
        self.up, self.act, self.down = (
            nn.Linear(dim, 4 * dim),
            nn.GELU(),
            nn.Linear(4 * dim, dim),
        )
        self.gamma = nn.Parameter(1e-1 * torch.ones(dim))

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm(self.dw(x).permute(0, 2, 3, 1))
        return x + (self.gamma * self.down(self.act(self.up(y)))).permute(0, 3, 1, 2)


@declared("images", blocks="1 2")
def channels_last() -> nn.Module:
    """ConvNeXt's block: depthwise, permute, LayerNorm, linear layers, layer scale."""
    return nn.Sequential(
        nn.Conv2d(3, 32, 4, 4),
        NextBlock(32),
        NextBlock(32),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.LayerNorm(32),
        nn.Linear(32, 8),
    )


@declared("images")
class Conv3d(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.n = nn.Conv3d(1, 16, 3, padding=1), nn.BatchNorm3d(16)
        self.b = nn.Conv3d(16, 32, 3, padding=1, stride=(1, 2, 2))
        self.c, self.head = nn.Linear(32, 32), nn.Linear(32, 8)

    def forward(self, x: Tensor) -> Tensor:
        x = self.n(self.a(x[:, None])).relu()
        return self.head(self.c(self.b(x).relu().mean((2, 3, 4))).relu())


@declared("images")
class FlatAndPooled(nn.Module):
    """Flattened features beside pooled ones of the same convolution."""

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Conv2d(3, 16, 3, padding=1)
        self.b, self.head = nn.Linear(16 * 4 + 16, 32), nn.Linear(32, 8)

    def forward(self, x: Tensor) -> Tensor:
        x = self.a(x).relu()
        x = torch.cat([F.adaptive_avg_pool2d(x, 2).flatten(1), x.mean((2, 3))], 1)
        return self.head(self.b(x).relu())


@declared("images")
class TwoNames(nn.Module):
    """One layer object under two names."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.first = nn.Conv2d(3, 32, 3, padding=1), nn.Conv2d(32, 32, 3, padding=1)
        self.second, self.head = self.first, nn.Linear(32, 8)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x).relu()
        x = self.second(self.first(x).relu()).relu()
        return self.head(x.mean((2, 3)))


@declared("images")
class AuxiliaryHead(nn.Module):
    """A head that evaluation never calls, as in Inception and GoogLeNet."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Conv2d(3, 32, 3, padding=1), nn.Conv2d(32, 48, 3, padding=1)
        self.aux, self.head = nn.Linear(32, 8), nn.Linear(48, 8)

    def forward(self, x: Tensor) -> Tensor:
        x = self.a(x).relu()
        early = self.aux(x.mean((2, 3))) if self.training else 0.0
        return self.head(self.b(x).relu().mean((2, 3))) + 0.3 * early


@declared("images")
class Decoder(nn.Module):
    """An encoder and a decoder of transposed convolutions, classified by what it draws."""

    def __init__(self) -> None:
        super().__init__()
        self.encode = nn.Sequential(
            nn.Conv2d(3, 32, 4, 2, 1), nn.ReLU(), nn.Conv2d(32, 48, 4, 2, 1), nn.ReLU()
        )
        self.decode = nn.Sequential(
            nn.ConvTranspose2d(48, 32, 4, 2, 1),
            nn.BatchNorm2d(32),
            nn.ReLU(),
            nn.ConvTranspose2d(32, 16, 4, 2, 1, bias=False),
        )
        self.head = nn.Linear(16, 8)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.decode(self.encode(x)).relu().mean((2, 3)))


@declared("series")
def circular_padding() -> nn.Module:
    return nn.Sequential(
        nn.Conv1d(8, 48, 5, padding=2, padding_mode="circular"),
        nn.ReLU(),
        nn.Conv1d(48, 64, 3, padding=1, padding_mode="reflect"),
        nn.ReLU(),
        nn.AdaptiveAvgPool1d(1),
        nn.Flatten(),
        nn.Linear(64, 8),
    )


@declared("images")
def pixel_shuffle() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 32, 3, 2, 1),
        nn.ReLU(),
        nn.Conv2d(32, 64, 3, padding=1),
        nn.PixelShuffle(2),
        nn.ReLU(),
        nn.Conv2d(16, 48, 3, padding=1),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(48, 8),
    )


class Branches(nn.Module):
    """Inception's block: four branches of different depth, concatenated."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.one = nn.Conv2d(dim, 16, 1)
        self.three = nn.Sequential(
            nn.Conv2d(dim, 16, 1), nn.ReLU(), nn.Conv2d(16, 32, 3, padding=1)
        )
        self.five = nn.Sequential(nn.Conv2d(dim, 8, 1), nn.ReLU(), nn.Conv2d(8, 16, 5, padding=2))
        self.pool = nn.Sequential(nn.MaxPool2d(3, 1, 1), nn.Conv2d(dim, 16, 1))

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.one(x), self.three(x), self.five(x), self.pool(x)], 1).relu()


@declared("images")
def inception() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 32, 3, 2, 1),
        nn.BatchNorm2d(32),
        nn.ReLU(),
        Branches(32),
        Branches(80),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(80, 8),
    )


class SqueezeExcite(nn.Module):
    def __init__(self, dim: int) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Conv2d(dim, dim // 4, 1), nn.Conv2d(dim // 4, dim, 1)

    def forward(self, x: Tensor) -> Tensor:
        gate = self.fc2(self.fc1(x.mean((2, 3), keepdim=True)).relu())
        return x * gate.sigmoid()


class SqueezeBlock(nn.Module):
    def __init__(self, dim: int) -> None:
        super().__init__()
        self.conv, self.bn = nn.Conv2d(dim, dim, 3, padding=1, bias=False), nn.BatchNorm2d(dim)
        self.se = SqueezeExcite(dim)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(x + self.se(self.bn(self.conv(x))))


@declared("images", blocks="blocks.0 blocks.1")
class SqueezeNet(nn.Module):
    """Squeeze and excite, its gates by 1 x 1 convolutions."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 32, 3, 2, 1)
        self.blocks, self.head = nn.ModuleList([SqueezeBlock(32), SqueezeBlock(32)]), None
        self.head = nn.Linear(32, 8)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x).relu()
        for block in self.blocks:
            x = block(x)
        return self.head(x.mean((2, 3)))


class Conv2dSame(nn.Conv2d):
    """A convolution that pads by itself, by what its own attributes say."""

    def forward(self, x: Tensor) -> Tensor:
        pads: list[int] = []
        for size, kernel, stride in zip(x.shape[:1:-1], self.kernel_size[::-1], self.stride[::-1]):
            pad = max((-(-size // stride) - 1) * stride + kernel - size, 0)
            pads += [pad // 2, pad - pad // 2]
        return F.conv2d(
            F.pad(x, pads), self.weight, self.bias, self.stride, 0, self.dilation, self.groups
        )


class Inverted(nn.Module):
    def __init__(self, dim: int, out: int, stride: int) -> None:
        super().__init__()
        wide = 4 * dim
        self.expand = nn.Sequential(
            nn.Conv2d(dim, wide, 1, bias=False), nn.BatchNorm2d(wide), nn.ReLU6()
        )
        self.depth = nn.Sequential(
            Conv2dSame(wide, wide, 3, stride, groups=wide, bias=False),
            nn.BatchNorm2d(wide),
            nn.ReLU6(),
        )
        self.project = nn.Sequential(nn.Conv2d(wide, out, 1, bias=False), nn.BatchNorm2d(out))
        self.skip = stride == 1 and dim == out

    def forward(self, x: Tensor) -> Tensor:
        y = self.project(self.depth(self.expand(x)))
        return x + y if self.skip else y


@declared("images", blocks="2 4")
def mobile_net_same() -> nn.Module:
    """MobileNet v2 whose convolutions pad by themselves, as ported weights want it."""
    return nn.Sequential(
        Conv2dSame(3, 16, 3, 2),
        nn.ReLU6(),
        Inverted(16, 16, 1),
        Inverted(16, 24, 2),
        Inverted(24, 24, 1),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(24, 8),
    )


class EfficientBlock(nn.Module):
    def __init__(self, dim: int) -> None:
        super().__init__()
        wide = 4 * dim
        self.conv_pw, self.bn1 = nn.Conv2d(dim, wide, 1, bias=False), nn.BatchNorm2d(wide)
        self.conv_dw = nn.Conv2d(wide, wide, 3, padding=1, groups=wide, bias=False)
        self.bn2, self.se = nn.BatchNorm2d(wide), SqueezeExcite(wide)
        self.conv_pwl, self.bn3 = nn.Conv2d(wide, dim, 1, bias=False), nn.BatchNorm2d(dim)
        self.act = nn.SiLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        y = self.act(self.bn1(self.conv_pw(x)))
        y = self.se(self.act(self.bn2(self.conv_dw(y))))
        return x + self.bn3(self.conv_pwl(y))


@declared("images", blocks="2 3")
def efficient_net() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 24, 3, 2, 1),
        nn.SiLU(),
        EfficientBlock(24),
        EfficientBlock(24),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(24, 8),
    )


class Dense(nn.Module):
    """DenseNet's layer: its output is joined to all before it."""

    def __init__(self, dim: int, growth: int) -> None:
        super().__init__()
        self.norm, self.conv = nn.BatchNorm2d(dim), nn.Conv2d(dim, growth, 3, padding=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([x, self.conv(self.norm(x).relu())], 1)


@declared("images")
def dense_net() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 32, 3, 2, 1),
        Dense(32, 16),
        Dense(48, 16),
        Dense(64, 16),
        nn.BatchNorm2d(80),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(80, 8),
    )
