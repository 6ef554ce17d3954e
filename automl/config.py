"""Frozen configuration classes, registered by class name, with an exact JSON round trip."""

from __future__ import annotations

import importlib
import json
import pkgutil
from collections.abc import Sequence
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, TypeVar

SPACE_MODULE_PREFIX = "automl_space_"
FOLDERS_OF_CHOICES = ("automl.data", "automl.models", "automl.training", "automl.compression")
K = TypeVar("K", bound="Config")


class UserError(ValueError):
    """The user's mistake: one sentence that says what is wrong, where, and what to do."""


class Config:
    """Base of every frozen dataclass that a space may hold.

    Subclassing registers the class under its name. A user's class may replace another
    user's of that name (a space file is edited and loaded again), never one of ours.
    """

    registered: ClassVar[dict[str, type[Config]]] = {}
    paths: ClassVar[tuple[str, ...]] = ()
    """The fields that are paths of files or folders; an empty one is none."""

    def fingerprint(self) -> str:
        """A text that changes whenever what the config stands for does."""
        return canonical(self)

    def from_space_file(self) -> bool:
        """Whether what this config does stands in a space file."""
        return type(self).__module__.startswith(SPACE_MODULE_PREFIX)

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        known = Config.registered.get(cls.__name__)
        if known is not None and known.__module__.startswith("automl."):
            raise UserError(
                f"class {cls.__name__} in {cls.__module__} takes the name of "
                f"{known.__module__}.{known.__name__}; give it another name"
            )
        Config.registered[cls.__name__] = cls


def choices(kind: type[K]) -> dict[str, type[K]]:
    """Every registered class of a kind, by name; the kind itself is none."""
    found: dict[str, type[K]] = {}
    for name, cls in Config.registered.items():
        if issubclass(cls, kind) and cls is not kind and is_dataclass(cls):
            found[name] = cls
    return found


def locate(value: K, folders: Sequence[Path]) -> K:
    """A config whose relative paths are found in the first folder that holds them.

    One that no folder holds is taken to be in the first.
    """
    found = {}
    for name in value.paths if folders else ():
        path = Path(getattr(value, name)).expanduser()
        if getattr(value, name):
            places = [folder / path for folder in folders]
            found[name] = str(next((place for place in places if place.exists()), places[0]))
    return replace(value, **found) if found else value  # type: ignore[type-var]


def encode(value: Any) -> Any:
    """A config as plain JSON data; classes become their names under `type`."""
    if isinstance(value, Config):
        own = {f.name: encode(getattr(value, f.name)) for f in fields(value)}  # type: ignore[arg-type]
        return {"type": type(value).__name__, **own}
    if isinstance(value, tuple | list):
        return [encode(item) for item in value]
    if isinstance(value, dict):
        return {key: encode(item) for key, item in value.items()}
    return value


def decode(data: Any) -> Any:
    """The inverse of `encode`; every list is a tuple. Raises UserError on what is no config."""
    if isinstance(data, dict) and "type" in data:
        cls = Config.registered.get(data["type"]) or _find(data["type"])
        if cls is None:
            raise UserError(f"no class named {data['type']!r} is registered")
        try:
            return cls(**{key: decode(item) for key, item in data.items() if key != "type"})
        except TypeError as error:
            raise UserError(f"{data['type']}: {error}") from None
    if isinstance(data, dict):
        return {key: decode(item) for key, item in data.items()}
    if isinstance(data, list):
        return tuple(decode(item) for item in data)
    return data


def _find(name: str) -> type[Config] | None:
    """A class of ours whose module nothing has imported yet."""
    for folder in FOLDERS_OF_CHOICES:
        package = importlib.import_module(folder)
        for module in pkgutil.iter_modules(package.__path__, f"{folder}."):
            importlib.import_module(module.name)
    return Config.registered.get(name)


def canonical(value: Any) -> str:
    """The one JSON text of a config: sorted keys, no spaces."""
    return json.dumps(encode(value), sort_keys=True, separators=(",", ":"))
