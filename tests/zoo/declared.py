"""Declares a module of the zoo: what it is, which rows it takes, and what is right for it."""

from __future__ import annotations

import importlib.util
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module

from torch import nn

Factory = Callable[[], nn.Module]

_DECLARED: dict[str, Declared] = {}


@dataclass(frozen=True)
class Declared:
    """A module of the zoo, by the name of its factory.

    `data` is "images", "series" or "text". `blocks` are the residual blocks any of which may go;
    without them RemoveLayers is rightly refused. `frozen` are the layers whose weights no step may
    train. `needs` is the package without which the module is left out.

    `refused` are the words, one of which a right refusal of the whole module has; with `must` it
    has to be refused. `refusals` are such words for single recipes, by their names.
    """

    name: str
    factory: Factory
    data: str
    blocks: tuple[str, ...] = ()
    frozen: tuple[str, ...] = ()
    needs: str = ""
    refused: tuple[str, ...] = ()
    must: bool = False
    refusals: tuple[tuple[str, str], ...] = ()

    @property
    def is_there(self) -> bool:
        return not self.needs or importlib.util.find_spec(self.needs) is not None


def declared(
    data: str,
    *,
    blocks: str = "",
    frozen: str = "",
    needs: str = "",
    refused: str = "",
    must: bool = False,
    **refusals: str,
) -> Callable[[Factory], Factory]:
    """Declare the function below as a module's factory; several names or words stand apart by
    spaces, words of a refusal by "|"."""

    def declare(factory: Factory) -> Factory:
        name = factory.__name__
        assert name not in _DECLARED, name
        _DECLARED[name] = Declared(
            name,
            factory,
            data,
            tuple(blocks.split()),
            tuple(frozen.split()),
            needs,
            tuple(filter(None, refused.split("|"))),
            must,
            tuple(refusals.items()),
        )
        return factory

    return declare


def all_declared() -> dict[str, Declared]:
    """Every module of the zoo by name, in the order of the files."""
    modules = import_module("zoo.modules")
    for found in sorted(pkgutil.iter_modules(modules.__path__), key=lambda one: one.name):
        import_module(f"zoo.modules.{found.name}")
    return dict(_DECLARED)
