"""Modules whose weights are made, shared, read or used in another way than by calling a layer.

Sources: pytorch/pytorch #102981, #28594; intel/neural-compressor #900; intel/auto-round #463;
openvinotoolkit/nncf #889; own ideas.
"""

from __future__ import annotations

import warnings

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm as parametrized_spectral_norm
from torch.nn.utils.parametrizations import weight_norm as parametrized_weight_norm

from zoo.declared import declared


class Temporal(nn.Module):
    """Dilated convolutions, each under a norm of its weight, as TCNs have them."""

    def __init__(self, normed) -> None:
        super().__init__()
        self.a = normed(nn.Conv1d(8, 48, 3, padding=1))
        self.b = normed(nn.Conv1d(48, 48, 3, padding=2, dilation=2))
        self.head = nn.Linear(48, 8)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.b(self.a(x).relu()).relu().mean(2))


@declared("series")
def weight_norm() -> nn.Module:
    return Temporal(parametrized_weight_norm)


@declared("series")
def old_weight_norm() -> nn.Module:
    """The weight norm of before 2023: a forward pre-hook that sets the weight."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        return Temporal(nn.utils.weight_norm)


@declared("images")
def spectral_norm() -> nn.Module:
    """The parametrized one, whose power iteration moves buffers."""
    return nn.Sequential(
        parametrized_spectral_norm(nn.Conv2d(3, 32, 3, padding=1)),
        nn.LeakyReLU(0.1),
        nn.MaxPool2d(2),
        parametrized_spectral_norm(nn.Conv2d(32, 48, 3, padding=1)),
        nn.LeakyReLU(0.1),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(48, 8),
    )


class Standardised(nn.Conv2d):
    """A convolution by its weight less its mean, over its deviation."""

    def forward(self, x: Tensor) -> Tensor:
        mean = self.weight.mean((1, 2, 3), keepdim=True)
        std = self.weight.std((1, 2, 3), keepdim=True)
        return self._conv_forward(x, (self.weight - mean) / (std + 1e-5), self.bias)


@declared("images")
def standardised_weights() -> nn.Module:
    return nn.Sequential(
        Standardised(3, 32, 3, 2, 1),
        nn.GroupNorm(8, 32),
        nn.ReLU(),
        Standardised(32, 64, 3, padding=1),
        nn.GroupNorm(8, 64),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(64, 8),
    )


@declared("images")
class Functional(nn.Module):
    """Weights as bare parameters, used through F.conv2d and F.linear; a sigmoid gate on one."""

    def __init__(self) -> None:
        super().__init__()
        self.kernel = nn.Parameter(torch.randn(32, 3, 3, 3) * 0.2)
        self.matrix = nn.Parameter(torch.randn(48, 32) * 0.2)
        self.gate, self.b = nn.Parameter(torch.zeros(48)), nn.Linear(48, 64)
        self.head = nn.Linear(64, 8)

    def forward(self, x: Tensor) -> Tensor:
        x = F.conv2d(x, self.kernel, padding=1).relu().mean((2, 3))
        x = F.linear(x, self.matrix).relu() * torch.sigmoid(self.gate)
        return self.head(self.b(x).relu())


@declared("images", prune="filter|cut")
class FrequencyFilter(nn.Module):
    """A filter of complex numbers: GFNet, FNet, AFNO."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.head = nn.Conv2d(3, 32, 3, padding=1), nn.Linear(32 * 16, 8)
        self.filter = nn.Parameter(torch.randn(32, 16, 9, 2) * 0.1)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.fft.rfft2(self.a(x)) * torch.view_as_complex(self.filter)
        x = torch.fft.irfft2(x, s=(16, 16)).relu()
        return self.head(F.adaptive_avg_pool2d(x, 4).flatten(1))


@declared("images")
class CosineHead(nn.Module):
    """A head that is never called: its weight is read."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Conv2d(3, 32, 3, padding=1), nn.Conv2d(32, 48, 3, padding=1)
        self.head = nn.Linear(48, 8, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        x = self.b(self.a(x).relu()).relu().mean((2, 3))
        return 10.0 * F.linear(F.normalize(x), F.normalize(self.head.weight))


@declared("images")
class ReadsAttributes(nn.Module):
    """Forward reads kernel_size, stride, weight.dtype, in_features and out_features."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Conv2d(3, 32, 3, stride=2), nn.Conv2d(32, 48, 3, padding=1)
        self.c, self.head = nn.Linear(48, 48), nn.Linear(48, 8)

    def forward(self, x: Tensor) -> Tensor:
        pad = self.a.kernel_size[0] - self.a.stride[0]
        x = self.a(F.pad(x.to(self.a.weight.dtype), (0, pad, 0, pad))).relu()
        x = self.b(x).relu().mean((2, 3))
        x = x + self.c(x).relu() if self.c.in_features == self.c.out_features else self.c(x)
        return self.head(x)


class Addmm(nn.Module):
    """The linear layer of GPT-2: a weight (inputs, outputs), by addmm."""

    def __init__(self, outputs: int, inputs: int) -> None:
        super().__init__()
        self.outputs = outputs
        self.weight = nn.Parameter(torch.randn(inputs, outputs) * inputs**-0.5)
        self.bias = nn.Parameter(torch.zeros(outputs))

    def forward(self, x: Tensor) -> Tensor:
        shape = (*x.shape[:-1], self.outputs)
        return torch.addmm(self.bias, x.reshape(-1, x.size(-1)), self.weight).view(shape)


@declared("series", factorize="no kind of layer")
class TransposedLinear(nn.Module):
    """Linear layers of a library's own make, over the last dimension."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.up, self.down = Addmm(48, 8), Addmm(128, 48), Addmm(48, 128)
        self.head = Addmm(8, 48)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x.transpose(1, 2))
        x = x + self.down(F.gelu(self.up(x)))
        return self.head(x.mean(1))


class LowRankBranch(nn.Module):
    """A frozen linear layer and a branch of low rank beside it, added: LoRA."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.base = nn.Linear(inputs, outputs)
        self.base.weight.requires_grad_(False)
        self.lora_a = nn.Linear(inputs, 4, bias=False)
        self.lora_b = nn.Linear(4, outputs, bias=False)
        nn.init.zeros_(self.lora_b.weight)

    @property
    def weight(self) -> Tensor:
        return self.base.weight

    def forward(self, x: Tensor) -> Tensor:
        return self.base(x) + 2.0 * self.lora_b(self.lora_a(x))


@declared("images", frozen="a.base.weight b.base.weight")
class LowRankAdapters(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = LowRankBranch(768, 64), LowRankBranch(64, 64)
        self.head = nn.Linear(64, 8)

    def forward(self, x: Tensor) -> Tensor:
        x = x.flatten(1).to(self.a.weight.dtype)
        return self.head(self.b(self.a(x).relu()).relu())


@declared("text", prune="'mid' stays")
class SharedEmbedding(nn.Module):
    """An embedding that is the output layer as well: no unit of the layer between can go alone."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.mid = nn.Embedding(256, 48, padding_idx=0), nn.Linear(48, 48)
        self.out = nn.Linear(48, 256, bias=False)
        self.out.weight = self.embed.weight
        self.head = nn.Linear(256, 8)

    def forward(self, x: Tensor) -> Tensor:
        x = self.mid(self.embed(x).mean(1)).relu()
        return self.head(self.out(x))


@declared("images")
class TiedAutoencoder(nn.Module):
    """One matrix that encodes by itself and decodes transposed."""

    def __init__(self) -> None:
        super().__init__()
        self.encode, self.head = nn.Linear(768, 48), nn.Linear(816, 8)

    def forward(self, x: Tensor) -> Tensor:
        x = x.flatten(1)
        code = self.encode(x).relu()
        back = F.linear(code, self.encode.weight.t())
        return self.head(torch.cat([code, back - x], 1))


def _doubled(layer: nn.Module, inputs: object, output: Tensor) -> Tensor:
    return output * 1.7 - 0.2


@declared("images")
def hooked() -> nn.Module:
    """A forward hook that scales what a convolution gives."""
    net = nn.Sequential(
        nn.Conv2d(3, 32, 3, 2, 1),
        nn.ReLU(),
        nn.Conv2d(32, 48, 3, padding=1),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(48, 8),
    )
    net[2].register_forward_hook(_doubled)
    return net


@declared("images", frozen="a.weight a.bias b.weight b.bias")
class FrozenBackbone(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Conv2d(3, 64, 3, 2, 1), nn.Conv2d(64, 64, 3, 2, 1)
        self.c, self.head = nn.Linear(1024, 48), nn.Linear(48, 8)
        for parameter in (*self.a.parameters(), *self.b.parameters()):
            parameter.requires_grad = False

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.c(self.b(self.a(x).relu()).relu().flatten(1)).relu())
