"""A module of the user's own, trained already or not, as a family."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import inspect
import sys
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cache
from operator import attrgetter
from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor, nn

from automl import user_code
from automl.config import SPACE_MODULE_PREFIX, Config, canonical, encode
from automl.data.content_hash import content_hash
from automl.data.dataset import DatasetInfo, Scaling
from automl.errors import UserError, described
from automl.field_types import Positive
from automl.models import foreign, weight_files
from automl.models.family import Group, ModelFamily, chain

SPACE_FILE = "space-file-"
_OF_SPACE_FILES: dict[str, Callable[..., object]] = {}
"""Functions of the space files that this process has run, by the text around them."""


@dataclass(frozen=True)
class Imported(ModelFamily):
    """Any `nn.Module` that takes rows (rows, *input shape) and gives (rows, outputs).

    `factory` is "package.module:function" (the package installed wherever trials run), or a
    function of the space file itself, or a `OneOf` of these; it is called with `options`.
    `weights` is a safetensors file of its state. With it a module of a regression answers in the
    targets' own units; without it, it learns targets of mean 0 and deviation 1. `mean` and `std`,
    one number or one per channel, are what raw inputs were shifted and divided by when it was
    trained; else the training rows' own are taken.
    Where the module gives several things, `output` is the name of the one to take, or its place:
    "1". Else that is `logits`, the first of a tuple, or the only one.
    """

    factory: str | Callable[..., object]
    weights: str = ""
    options: dict[str, object] = field(default_factory=dict)
    mean: tuple[float, ...] = ()
    std: tuple[Positive, ...] = ()
    output: str = ""
    paths: ClassVar[tuple[str, ...]] = ("weights",)

    def __post_init__(self) -> None:
        object.__setattr__(self, "factory", _checked(self.factory))

    def __str__(self) -> str:
        if not isinstance(self.factory, str):
            return repr(self)
        name = self._name.split(":")[1] if self.from_space_file() else repr(self._name)
        return f"Imported({name})"

    def build(self, input_shape: tuple[int, ...], num_outputs: int) -> nn.Module:
        return self._build(torch.zeros(2, *input_shape), num_outputs)

    def build_text(self, num_tokens: int, length: int, num_outputs: int) -> nn.Module:
        return self._build(torch.ones(2, length, dtype=torch.int64), num_outputs)

    def scaling(self, info: DatasetInfo) -> Scaling:
        if not self.mean and not self.std:
            return info.inputs
        count = len(info.inputs.mean)
        return Scaling(*(_spread(name, getattr(self, name), count) for name in ("mean", "std")))

    def target_scaling(self, info: DatasetInfo) -> Scaling:
        if not self.comes_trained:
            return info.targets
        return Scaling(*(value * info.num_outputs for value in ((0.0,), (1.0,))))

    def fingerprint(self) -> str:
        """The config with the bytes of the weights and of the module's own file, and what code of
        the user's that file imports."""
        weights = content_hash(Path(self.weights)) if self.weights else ""
        contents = {"weights": weights, "source": ""}
        if not self.from_space_file():
            module = self._name.split(":")[0]
            try:
                found = importlib.util.find_spec(module)
            except Exception as error:
                raise UserError(f"{self} cannot be imported: {described(error)}") from error
            if found is not None and found.origin is not None:
                contents["source"] = _source(module, Path(found.origin))
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

    def _build(self, rows: Tensor, num_outputs: int) -> nn.Module:
        """The module for such rows (rows, *input shape), with its weights."""
        own = foreign.unwrapped(self._made(), str(self))
        foreign.check_new(own, str(self))
        # What is changed in a module is named, and a bare layer has no name of its own.
        module = own if list(own.children()) else chain([("layer", own)])
        foreign.compute_in_fp32(module)
        foreign.initialise(module, rows)
        if self.weights:
            foreign.add_note(module, weight_files.load(own, Path(self.weights), str(self)))
        foreign.parametrize_norms(module)
        foreign.answer_with(module, self.output, num_outputs, str(self))
        return module

    def _made(self) -> nn.Module:
        """The module that the factory gives."""
        function = self._function()
        try:
            module = function(**self.options)
        except UserError:
            raise
        except Exception as error:
            lacks = "; install it wherever trials run" if isinstance(error, ImportError) else ""
            raise UserError(f"{self} raised {described(error)}{lacks}") from error
        if not isinstance(module, nn.Module):
            raise UserError(f"{self} gave {type(module).__name__}, not a torch.nn.Module")
        return module

    def _function(self) -> Callable[..., object]:
        if self.from_space_file():
            return _OF_SPACE_FILES[self._name]
        module, name = self._name.split(":", 1)
        try:
            function: Callable[..., object] = attrgetter(name)(importlib.import_module(module))
        except Exception as error:
            raise UserError(f"{self} cannot be imported: {described(error)}") from error
        return function


@cache
def _source(module: str, file: Path) -> str:
    """The hash of a module's file and of what it imports of the user's code, when first looked at:
    a process goes on running what it has loaded."""
    return content_hash(file) + user_code.of_imports("", (module,))


def _checked(factory: object) -> object:
    """A factory as it is kept. Raises UserError on what can be none.

    A OneOf stays as it is until an option is drawn; but a function must be known by its name
    where only that is read, in a process that draws nothing.
    """
    if isinstance(factory, Config) and hasattr(factory, "options"):
        for option in factory.options:
            _checked(option)
        return factory
    if callable(factory):
        return _named(factory)
    if not isinstance(factory, str) or ":" not in factory:
        raise UserError(
            f'Imported({factory!r}): write "package.module:function", or give a function'
        )
    return factory


def _named(function: Callable[..., object]) -> str:
    """The name by which a function is found again, in this and in other processes.

    Raises UserError where another function, or none, is found by it.
    """
    name = getattr(function, "__qualname__", None)
    if name is None:
        raise UserError(
            f"Imported({function!r}): that has no name to be found by; give the function or class "
            "itself, and its arguments as options={...}"
        )
    module, owner = function.__module__, getattr(function, "__self__", None)
    if isinstance(owner, type):
        # A class method is named after the class that defines it, which may be another.
        name, module = f"{owner.__qualname__}.{function.__name__}", owner.__module__
    if "<" in name:
        raise UserError(
            f"Imported({name}): give it a function at the top level of the space file, "
            'or "package.module:function"'
        )
    try:
        is_found = attrgetter(name)(sys.modules[module]) == function
    except (AttributeError, KeyError):
        is_found = False
    if not is_found:
        raise UserError(
            f"Imported({name}): what is found by that name is not the function given; call that "
            "function in one with a name of its own, and give the latter"
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
