"""Modules whose inputs, outputs, state or numbers are not one tensor of fp32 each. Own ideas."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from zoo.declared import declared


class Small(nn.Module):
    """A convolution and two linear layers."""

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Conv2d(3, 32, 3, padding=1)
        self.b, self.head = nn.Linear(32, 96), nn.Linear(96, 8)

    def features(self, x: Tensor) -> Tensor:
        return self.b(self.a(x).relu().mean((2, 3))).relu()


@declared("images")
class TupleOutput(Small):
    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        features = self.features(x)
        return self.head(features), features


@declared("images")
class DictOutput(Small):
    def forward(self, x: Tensor) -> dict[str, Tensor]:
        features = self.features(x)
        return {"features": features, "logits": self.head(features)}


@dataclass
class Output:
    features: Tensor
    logits: Tensor


@declared("images")
class DataclassOutput(Small):
    def forward(self, x: Tensor) -> Output:
        features = self.features(x)
        return Output(features, self.head(features))


@declared("images")
class ByKeyword(Small):
    """Layers called by keyword."""

    def forward(self, x: Tensor) -> Tensor:
        x = self.a(input=x).relu().mean((2, 3))
        return self.head(input=self.b(input=x).relu())


@declared("images")
class Half(nn.Module):
    """A module in bfloat16 that casts its input and its output."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Conv2d(3, 32, 3, padding=1), nn.Conv2d(32, 48, 3, padding=1)
        self.head = nn.Linear(48, 8)
        self.to(torch.bfloat16)

    def forward(self, x: Tensor) -> Tensor:
        x = self.b(self.a(x.bfloat16()).relu()).relu().mean((2, 3))
        return self.head(x).float()


@declared("images")
def half_throughout() -> nn.Module:
    """A module saved in float16: its rows are to be of that type, too."""
    return nn.Sequential(
        nn.Conv2d(3, 32, 3, 2, 1),
        nn.ReLU(),
        nn.Conv2d(32, 48, 3, padding=1),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(48, 8),
    ).half()


@declared("images", refused="extra state|extra_state")
class ExtraState(Small):
    """Extra state that is no tensor, and a second, optional input."""

    def __init__(self) -> None:
        super().__init__()
        self.version = {"made": "2026"}

    def get_extra_state(self) -> object:
        return self.version

    def set_extra_state(self, state: object) -> None:
        self.version = state

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        x = self.a(x).relu()
        x = x if mask is None else x * mask
        return self.head(self.b(x.mean((2, 3))).relu())


@declared("images")
def lazy() -> nn.Module:
    """Layers that learn their sizes from the first rows."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return nn.Sequential(
            nn.LazyConv2d(32, 3, padding=1),
            nn.LazyBatchNorm2d(),
            nn.ReLU(),
            nn.MaxPool2d(4),
            nn.Flatten(),
            nn.LazyLinear(64),
            nn.ReLU(),
            nn.Linear(64, 8),
        )


@declared("images", refused="TorchScript|ScriptModule|torch.jit", must=True)
def scripted() -> nn.Module:
    """A TorchScript module, as .pt files hold them."""
    net = nn.Sequential(
        nn.Conv2d(3, 32, 3, padding=1),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(32, 64),
        nn.ReLU(),
        nn.Linear(64, 8),
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return torch.jit.script(net)


@declared("images")
class OptionalInput(Small):
    """Flags with defaults, among them one that changes what is given back."""

    def forward(self, pixels: Tensor, return_dict: bool = True, scale: float = 1.0) -> object:
        logits = self.head(self.features(pixels * scale))
        return {"logits": logits} if return_dict else (logits,)
