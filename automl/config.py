"""Frozen configuration classes, registered by class name, with an exact JSON round trip."""

from __future__ import annotations

import json
from dataclasses import fields, is_dataclass
from typing import Any, ClassVar, TypeVar

SPACE_MODULE_PREFIX = "automl_space_"
K = TypeVar("K", bound="Config")


class UserError(ValueError):
    """The user's mistake: one sentence that says what is wrong, where, and what to do."""


class Config:
    """Base of every frozen dataclass that a space may hold.

    Subclassing registers the class under its name. A user's class may replace another
    user's of that name (a space file is edited and loaded again), never one of ours.
    """

    classes: ClassVar[dict[str, type[Config]]] = {}

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        known = Config.classes.get(cls.__name__)
        if known is not None and known.__module__.startswith("automl."):
            raise UserError(
                f"class {cls.__name__} in {cls.__module__} takes the name of "
                f"{known.__module__}.{known.__name__}; give it another name"
            )
        Config.classes[cls.__name__] = cls


def choices(kind: type[K]) -> dict[str, type[K]]:
    """Every registered class of a kind, by name; the kind itself is none."""
    found: dict[str, type[K]] = {}
    for name, cls in Config.classes.items():
        if issubclass(cls, kind) and cls is not kind and is_dataclass(cls):
            found[name] = cls
    return found


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
        cls = Config.classes.get(data["type"])
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


def canonical(value: Any) -> str:
    """The one JSON text of a config: sorted keys, no spaces."""
    return json.dumps(encode(value), sort_keys=True, separators=(",", ":"))
