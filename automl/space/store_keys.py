"""Keys in the store: every prefix of a recipe is an artifact, named by a hash."""

from __future__ import annotations

import hashlib
from dataclasses import replace

from automl.config import canonical, parts
from automl.recipe import Sibling
from automl.space.space import TrialConfig

SCHEMA_VERSION = 5


def prefix_keys(config: TrialConfig, space_source: str = "") -> list[str]:
    """The store's key of each prefix recipe[:1] … recipe[:n]; of an empty recipe, a single key.

    A key is the hash of dataset, model, steps and seed, and, where a class of the space file is
    used, of that file's text (`space_source`, without the statement that builds the space).
    """
    keys: list[str] = []
    recipe: list[str] = []
    contents = {"dataset": config.dataset.fingerprint(), "model": config.model.fingerprint()}
    own = any(part.from_space_file() for part in parts((config.dataset, config.model)))
    for step in config.recipe or ((),):
        for part in parts(step):
            recipe.append(part.fingerprint())
            own = own or part.from_space_file()
        text = canonical(
            {
                **contents,
                "recipe": recipe,
                "seed": config.seed,
                "schema": SCHEMA_VERSION,
                "source": space_source if own else "",
            }
        )
        keys.append(hashlib.sha256(text.encode()).hexdigest())
    return keys


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
