"""Sampling: one walk through a space, each domain on the way asked of `suggest`."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from automl.config import Config, choice, decode, kind, locate
from automl.errors import UserError, unknown
from automl.recipe import Step, check_labels
from automl.space.domains import (
    Domain,
    FloatDomain,
    IntDomain,
    OneOfDomain,
    RepeatDomain,
    Suggest,
    at,
    step_name,
)
from automl.space.space import Space, TrialConfig

WHOLE = "config"


@dataclass(frozen=True)
class Trace:
    """A walk through a space: the config that it made, and what it asked on the way.

    `tail` are the paths asked from the first item of the recipe on that may compress: what can
    change while the training before it stays as it is.
    """

    config: TrialConfig
    params: dict[str, Any]
    domains: dict[str, Domain]
    tail: frozenset[str]


def trace(space: Space, suggest: Suggest) -> Trace:
    """A plain config, each domain on the way asked of `suggest(path, domain)`."""
    draw = _Draw(suggest, space)
    config = locate(draw.trial(space.trial), draw.folders)
    return Trace(config, draw.params, draw.domains, frozenset(draw.tail))


def sample(space: Space, suggest: Suggest) -> TrialConfig:
    return trace(space, suggest).config


def rebuild(space: Space, params: Mapping[str, Any]) -> TrialConfig:
    """The config of a flat dict, or of one that holds it whole as JSON, under WHOLE."""
    if WHOLE in params:
        config: TrialConfig = decode(json.loads(params[WHOLE]))
        return config
    return sample(space, replay(params))


def _may_compress(item: Any) -> bool:
    if isinstance(item, OneOfDomain):
        item = item.options
    if isinstance(item, tuple | list):
        return any(map(_may_compress, item))
    return isinstance(item, Step) and item.compresses


def replay(params: Mapping[str, Any]) -> Suggest:
    """Suggests what a flat dict says: the way a config crosses processes."""
    return lambda path, domain: params[path]


def uniform(rng: random.Random) -> Suggest:
    """Suggests at random."""
    return lambda path, domain: at(domain, rng.random())


class _Draw:
    """One walk through a trial's tree, noting every path on the way."""

    def __init__(self, suggest: Suggest, space: Space) -> None:
        self.suggest, self.fixed = suggest, space.fixed
        self.folders = [Path(folder) for folder in space.folders]
        self.paths: set[str] = set()
        self.params: dict[str, Any] = {}
        self.domains: dict[str, Domain] = {}
        self.tail: set[str] = set()

    def trial(self, trial: TrialConfig) -> TrialConfig:
        recipe = tuple(self.recipe(trial.recipe))
        check_labels(recipe)
        return TrialConfig(
            dataset=self.value(trial.dataset, "dataset"),
            model=self.value(trial.model, "model"),
            recipe=recipe,
            seed=self.value(trial.seed, "seed"),
        )

    def recipe(self, items: Sequence[Any]) -> Iterator[Step]:
        trained: set[str] | None = None
        for item in items:
            if trained is None and _may_compress(item):
                trained = set(self.params)
            yield from self.steps(item)
        if trained is not None:
            self.tail = self.params.keys() - trained

    def ask(self, path: str, domain: Domain) -> Any:
        self.domains[path] = domain
        self.params[path] = value = self.suggest(path, domain)
        return value

    def value(self, value: Any, path: str) -> Any:
        self.paths.add(path)
        if isinstance(value, OneOfDomain):
            name = self.choose(value, path)
            option = value.option(name)
            part = name if isinstance(option, Config) else str(value.names().index(name))
            return self.value(option, f"{path}.{part}")
        if path in self.fixed:
            return _fix(path, value, self.fixed[path])
        match value:
            case RepeatDomain(item, length):
                count = self.value(length, f"{path}.length")
                if not isinstance(count, int):
                    raise UserError(f"Repeat at {path}: length is {count!r}, not an integer")
                return tuple(self.value(item, f"{path}.{i}") for i in range(count))
            case Domain():
                return self.ask(path, value)
            case tuple() | list():
                return tuple(self.value(item, f"{path}.{i}") for i, item in enumerate(value))
            case dict():
                return {key: self.value(item, f"{path}.{key}") for key, item in value.items()}
            case Config():
                return self.config(value, path)
        return value

    def config(self, value: Any, path: str) -> Any:
        drawn = {}
        for f in fields(value):
            before = getattr(value, f.name)
            after = self.value(before, f"{path}.{f.name}")
            if after is not before:
                drawn[f.name] = after
        return replace(value, **drawn) if drawn else value

    def steps(self, item: Any) -> Iterator[Step]:
        if isinstance(item, OneOfDomain):
            path = f"recipe.{step_name(item)}"
            self.paths.add(path)
            yield from self.steps(item.option(self.choose(item, path)))
        elif isinstance(item, tuple | list):
            for part in item:
                yield from self.steps(part)
        elif item is not None:
            yield self.config(item, f"recipe.{step_name(item)}")

    def choose(self, domain: OneOfDomain, path: str) -> str:
        if path not in self.fixed:
            return str(self.ask(path, domain))
        if (name := self.fixed[path]) not in domain.names():
            raise UserError(unknown(f"option of {path}", name, domain.names()))
        return name


def _fix(path: str, old: Any, text: str) -> Any:
    """The value that a `--set` puts in the place of `old`, which must be of its kind.

    Where a config or None stood, the bare name of a class stands for it with its defaults.
    """
    try:
        data = json.loads(text)
    except ValueError:
        data = text
    is_config = isinstance(old, Config) and not isinstance(old, Domain)
    if (is_config or old is None) and isinstance(data, str) and choice(data):
        data = {"type": data}
    if isinstance(old, dict) and isinstance(data, dict):
        return {key: decode(item) for key, item in data.items()}
    new = decode(data)
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
        like = f"another {kind(old).__name__}" if is_config else "a like value"
        raise UserError(f"--set {path}={text}: what stands there is {old!r}; give {like}")
    return new
