"""Sampling of a space: a walk through it that asks `suggest` for a value of each domain."""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar, cast

from automl.config import Config, changed, choice, decode, field_names, kind, locate
from automl.errors import UserError, unknown
from automl.recipe import Step, check_labels
from automl.space.domains import (
    Domain,
    FloatDomain,
    IntDomain,
    OneOfDomain,
    Params,
    ParamValue,
    RepeatDomain,
    Suggest,
    at,
    step_name,
)
from automl.space.space import Space, TrialConfig

T = TypeVar("T")
C = TypeVar("C", bound=Config)
WHOLE = "config"


@dataclass(frozen=True)
class Trace:
    """A config sampled from a space, with the values and the domains met on the way.

    `tail` are the paths met from the first item of the recipe on that may compress: their values
    can change while the training before them stays as it is.
    """

    config: TrialConfig
    params: dict[str, ParamValue]
    domains: dict[str, Domain]
    tail: frozenset[str]


def trace(space: Space, suggest: Suggest) -> Trace:
    """A plain config with all that was met: each domain's value is that of `suggest(path, domain)`.

    Raises UserError where the space does not hold together.
    """
    walk = SpaceWalk(suggest, space)
    config = locate(walk.trial(space.trial), walk.folders)
    return Trace(config, walk.params, walk.domains, frozenset(walk.tail))


def sample(space: Space, suggest: Suggest) -> TrialConfig:
    """The plain config alone; see `trace`."""
    return trace(space, suggest).config


def rebuild(space: Space, params: Params) -> TrialConfig:
    """The config of a flat dict, which may also hold the config whole as JSON, under WHOLE."""
    if WHOLE in params:
        config: TrialConfig = decode(json.loads(str(params[WHOLE])))
        return config
    return sample(space, replay(params))


def _may_compress(item: object) -> bool:
    if isinstance(item, OneOfDomain):
        item = item.options
    if isinstance(item, tuple | list):
        return any(map(_may_compress, item))
    return isinstance(item, Step) and item.compresses


def replay(params: Params) -> Suggest:
    """A `Suggest` that reads a flat dict: so a config crosses processes."""
    return lambda path, domain: params[path]


def uniform(rng: random.Random) -> Suggest:
    """A `Suggest` that draws at random."""
    return lambda path, domain: at(domain, rng.random())


class SpaceWalk:
    """A walk through a space that makes a plain config, and notes every path on the way."""

    def __init__(self, suggest: Suggest, space: Space) -> None:
        self.suggest, self.fixed = suggest, space.fixed
        self.folders = [Path(folder) for folder in space.folders]
        self.paths: set[str] = set()
        self.params: dict[str, ParamValue] = {}
        self.domains: dict[str, Domain] = {}
        self.tail: set[str] = set()

    def trial(self, trial: TrialConfig) -> TrialConfig:
        """The plain config of a trial that may hold domains."""
        recipe = tuple(self._recipe(trial.recipe))
        check_labels(recipe)
        return TrialConfig(
            dataset=self._plain(trial.dataset, "dataset"),
            model=self._plain(trial.model, "model"),
            recipe=recipe,
            seed=self._plain(trial.seed, "seed"),
        )

    def _recipe(self, items: Sequence[object]) -> Iterator[Step]:
        trained: set[str] | None = None
        for item in items:
            if trained is None and _may_compress(item):
                trained = set(self.params)
            yield from self._steps(item)
        if trained is not None:
            self.tail = self.params.keys() - trained

    def _ask(self, path: str, domain: Domain) -> ParamValue:
        # A search holds the parameters of many trials: they share the texts of their paths.
        path = sys.intern(path)
        self.domains[path] = domain
        value = self.suggest(path, domain)
        if isinstance(domain, FloatDomain):
            # An int would come back from storage as another value, under other store keys.
            value = float(cast(float, value))
        self.params[path] = value
        return value

    def _plain(self, value: T, path: str) -> T:
        """A value without domains, of the type that it is annotated with."""
        return cast(T, self._value(value, path))

    def _value(self, value: object, path: str) -> object:
        self.paths.add(path)
        if path in self.fixed and not isinstance(value, OneOfDomain):
            value = _fix(path, value, self.fixed[path])
        if isinstance(value, OneOfDomain):
            name = self._choose(value, path)
            option = value.option(name)
            part = name if isinstance(option, Config) else str(value.names().index(name))
            return self._value(option, f"{path}.{part}")
        match value:
            case RepeatDomain(item, length):
                count = self._value(length, f"{path}.length")
                if not isinstance(count, int):
                    raise UserError(f"Repeat at {path}: length is {count!r}, not an integer")
                return tuple(self._value(item, f"{path}.{i}") for i in range(count))
            case Domain():
                return self._ask(path, value)
            case tuple() | list():
                return tuple(self._value(item, f"{path}.{i}") for i, item in enumerate(value))
            case dict():
                return {key: self._value(item, f"{path}.{key}") for key, item in value.items()}
            case Config():
                return self._config(value, path)
        return value

    def _config(self, value: C, path: str) -> C:
        drawn = {}
        for name in field_names(value):
            before = getattr(value, name)
            after = self._value(before, f"{path}.{name}")
            if after is not before:
                drawn[name] = after
        return changed(value, **drawn) if drawn else value

    def _steps(self, item: object) -> Iterator[Step]:
        if isinstance(item, OneOfDomain):
            path = f"recipe.{step_name(item)}"
            self.paths.add(path)
            yield from self._steps(item.option(self._choose(item, path)))
        elif isinstance(item, tuple | list):
            for part in item:
                yield from self._steps(part)
        elif item is not None:
            path = f"recipe.{step_name(item)}"
            assert isinstance(item, Step)
            yield self._config(item, path)

    def _choose(self, domain: OneOfDomain, path: str) -> str:
        if path not in self.fixed:
            return str(self._ask(path, domain))
        word, names = self.fixed[path], domain.names()
        # A text among the options is named in quotes, which a shell takes off.
        name = next((name for name in (word, json.dumps(word)) if name in names), None)
        if name is None:
            raise UserError(unknown(f"option of {path}", word, names))
        return name


def _fix(path: str, old: object, text: str) -> object:
    """The value that a `--set` puts where `old` stood; it must be of the same kind.

    Where a config or None stood, the bare name of a class stands for it with its defaults.
    """
    try:
        data = json.loads(text)
    except ValueError as error:
        if text.lstrip().startswith(("{", "[")):
            raise UserError(
                f"--set {path}={text}: that is no JSON ({error}); close all brackets, and put "
                "names and texts into double quotes"
            ) from None
        data = text
    is_config = isinstance(old, Config) and not isinstance(old, Domain)
    if (is_config or old is None) and isinstance(data, str) and choice(data):
        data = {"type": data}
    if isinstance(old, dict) and isinstance(data, dict):
        return {key: decode(item, is_written_by_hand=True) for key, item in data.items()}
    new = decode(data, is_written_by_hand=True)
    match old:
        case IntDomain():
            wanted: type | tuple[type, ...] = int
        case FloatDomain() | float():
            wanted = (int, float)
        case RepeatDomain() | list():
            wanted = tuple
        case Config():
            wanted = kind(old)
        case None:
            wanted = object
        case _:
            wanted = type(old)
    if not isinstance(new, wanted):
        like = "a like value"
        if isinstance(old, Config) and is_config:
            like = f"another {kind(old).__name__}"
        raise UserError(f"--set {path}={text}: what stands there is {old!r}; give {like}")
    return new
