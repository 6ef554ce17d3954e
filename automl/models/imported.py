"""A module of the user's own, trained already or not, as a family."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import inspect
import sys
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import ClassVar

import safetensors.torch
from torch import nn

from automl import user_code
from automl.config import SPACE_MODULE_PREFIX, canonical, encode
from automl.data.content_hash import content_hash
from automl.data.dataset import DatasetInfo, Scaling
from automl.errors import UserError
from automl.field_types import Positive
from automl.models.family import Group, ModelFamily, chain

SPACE_FILE = "space-file-"
_OF_SPACE_FILES: dict[str, Callable[..., object]] = {}
"""Functions of the space files that this process has run, by the text around them."""


@dataclass(frozen=True)
class Imported(ModelFamily):
    """Any `nn.Module` that takes rows (rows, *input shape) and gives (rows, outputs).

    `factory` is "package.module:function" (the package installed wherever trials run), or a
    function of the space file itself; it is called with `options`. `weights` is a safetensors
    file of its state. `mean` and `std`, one number or one per channel, are what raw inputs
    were shifted and divided by when it was trained; else the training rows' own are taken.
    """

    factory: str | Callable[..., object]
    weights: str = ""
    options: dict[str, object] = field(default_factory=dict)
    mean: tuple[float, ...] = ()
    std: tuple[Positive, ...] = ()
    paths: ClassVar[tuple[str, ...]] = ("weights",)

    def __post_init__(self) -> None:
        if callable(self.factory):
            object.__setattr__(self, "factory", _named(self.factory))
        elif not isinstance(self.factory, str) or ":" not in self.factory:
            raise UserError(
                f'Imported({self.factory!r}): write "package.module:function", or give a function'
            )

    def build(self, input_shape: tuple[int, ...], num_outputs: int) -> nn.Module:
        try:
            module = self._function()(**self.options)
        except UserError:
            raise
        except Exception as error:
            raise UserError(f"{self.factory} raised {type(error).__name__}: {error}") from error
        if not isinstance(module, nn.Module):
            raise UserError(f"{self.factory} gave {type(module).__name__}, not a torch.nn.Module")
        if self.weights:
            self._load_weights(module)
        # What is changed in a module is named, and a bare layer has no name of its own.
        return module if list(module.children()) else chain([("layer", module)])

    def build_text(self, num_tokens: int, length: int, num_outputs: int) -> nn.Module:
        return self.build((length,), num_outputs)

    def scaling(self, info: DatasetInfo) -> Scaling:
        if not self.mean and not self.std:
            return info.inputs
        count = len(info.inputs.mean)
        return Scaling(*(_spread(name, getattr(self, name), count) for name in ("mean", "std")))

    def fingerprint(self) -> str:
        """The config with the bytes of the weights, and of the module's own file."""
        contents = {"weights": content_hash(Path(self.weights)), "source": ""}
        if not self.from_space_file():
            found = importlib.util.find_spec(self._name.split(":")[0])
            if found is not None and found.origin is not None:
                contents["source"] = content_hash(Path(found.origin))
        return canonical({**encode(self), **contents})

    def from_space_file(self) -> bool:
        return self._name.startswith(SPACE_FILE)

    @property
    def comes_trained(self) -> bool:
        return bool(self.weights)

    def without_weights(self) -> Imported:
        return replace(self, weights="")

    def groups(self) -> list[Group]:
        return []

    def with_widths(self, sizes: tuple[int, ...]) -> Imported:
        return self

    @property
    def _name(self) -> str:
        """The factory's name, which a function given in its place has got, too."""
        assert isinstance(self.factory, str)
        return self.factory

    def _function(self) -> Callable[..., object]:
        if self.from_space_file():
            return _OF_SPACE_FILES[self._name]
        module, name = self._name.split(":", 1)
        try:
            function: Callable[..., object] = getattr(importlib.import_module(module), name)
        except (ImportError, AttributeError) as error:
            raise UserError(f"Imported({self.factory!r}) cannot be imported: {error}") from error
        return function

    def _load_weights(self, module: nn.Module) -> None:
        try:
            module.load_state_dict(safetensors.torch.load_file(self.weights))
        except Exception as error:
            first = " ".join(str(error).split())[:300]
            raise UserError(f"{self.weights} does not fit {self.factory}: {first}") from error


def _named(function: Callable[..., object]) -> str:
    """The name by which a function is found again, in this and in other processes."""
    name, module = function.__qualname__, function.__module__
    if "<" in name:
        raise UserError(
            f"Imported({name}): give it a function at the top level of the space file, "
            'or "package.module:function"'
        )
    if not module.startswith(SPACE_MODULE_PREFIX):
        return f"{module}:{name}"
    text = user_code.fingerprint(inspect.getsource(sys.modules[module]))
    found = f"{SPACE_FILE}{hashlib.sha256(text.encode()).hexdigest()[:16]}:{name}"
    _OF_SPACE_FILES[found] = function
    return found


def _spread(name: str, values: tuple[float, ...], count: int) -> tuple[float, ...]:
    """The values, one for each channel. Raises UserError where there are other numbers of them."""
    if len(values) not in (1, count):
        raise UserError(f"Imported: {name} has {len(values)} numbers; give 1 or {count}")
    return values if len(values) == count else values * count
