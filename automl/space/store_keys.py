"""Keys in the store: every prefix of a recipe is an artifact, named by a hash."""

from __future__ import annotations

import hashlib
from dataclasses import replace

from automl import user_code
from automl.config import SPACE_MODULE_PREFIX, Config, canonical, parts
from automl.recipe import Sibling
from automl.space import own_metrics
from automl.space.space import TrialConfig

SCHEMA_VERSION = 6


def prefix_keys(config: TrialConfig, space_source: str = "") -> list[str]:
    """The store's key of each prefix recipe[:1] … recipe[:n]; of an empty recipe, a single key.

    A key is the hash of dataset, model, steps and seed, and, where classes or metrics of a user's
    own are used, of their files' texts: of the space file (`space_source`, without the statement
    that builds the space), of modules, and of all modules of the user's that these import.
    """
    keys: list[str] = []
    recipe: list[str] = []
    contents = {"dataset": config.dataset.fingerprint(), "model": config.model.fingerprint()}
    used = parts((config.dataset, config.model))
    for step in config.recipe or ((),):
        new = parts(step)
        recipe += [part.fingerprint() for part in new]
        used += new
        text = canonical(
            {
                **contents,
                "recipe": recipe,
                "seed": config.seed,
                "schema": SCHEMA_VERSION,
                "source": _source(used, space_source),
            }
        )
        keys.append(hashlib.sha256(text.encode()).hexdigest())
    return keys


def _source(used: list[Config], space_source: str) -> str:
    """The texts of all files of the user's that define classes of these configs, or metrics, and
    the hash of what these import."""
    has_metrics, of_metrics = own_metrics.source(space_source)
    is_used = has_metrics or any(part.from_space_file() for part in used)
    own = space_source if is_used else ""
    named = dict.fromkeys([*(type(part).__module__ for part in used), *of_metrics])
    others = tuple(
        m for m in named if not m.startswith(SPACE_MODULE_PREFIX) and not user_code.is_ours(m)
    )
    code = "".join(user_code.of_module(module) for module in others)
    return own + code + user_code.of_imports(own, others)


def needed_keys(config: TrialConfig, space_source: str = "") -> list[str]:
    """The keys of all that a trial makes: its prefixes, and those of the siblings that teach it."""
    keys = prefix_keys(config, space_source)
    for step in config.recipe:
        if isinstance(step.teacher, Sibling):
            keys += needed_keys(sibling_config(config, step.teacher), space_source)
    return keys


def sibling_config(config: TrialConfig, sibling: Sibling) -> TrialConfig:
    """The config of the trial that would end in a sibling."""
    return replace(config, model=sibling.of(config.model), recipe=sibling.recipe)
