"""Every prefix of a recipe is an artifact; this is its key in the store."""

from __future__ import annotations

import hashlib

from automl.config import Config, canonical
from automl.space import TrialConfig

SCHEMA_VERSION = 1


def prefix_keys(config: TrialConfig, space_source: str = "") -> list[str]:
    """The store's key of each prefix recipe[:1] … recipe[:n]; of an empty recipe, its one key.

    The hash of dataset, model, steps and seed, and, where a class of the space file is
    used, of that file's text (`space_source`, without the statement that builds the space).
    """
    keys = []
    contents = {"dataset": config.dataset.fingerprint(), "model": config.model.fingerprint()}
    for length in range(min(1, len(config.recipe)), len(config.recipe) + 1):
        parts = (config.dataset, config.model, *config.recipe[:length])
        own = any(_from_space_file(part) for part in parts)
        text = canonical(
            {
                **contents,
                "recipe": config.recipe[:length],
                "seed": config.seed,
                "schema": SCHEMA_VERSION,
                "source": space_source if own else "",
            }
        )
        keys.append(hashlib.sha256(text.encode()).hexdigest())
    return keys


def _from_space_file(value: object) -> bool:
    if isinstance(value, tuple):
        return any(_from_space_file(item) for item in value)
    if not isinstance(value, Config):
        return False
    return value.from_space_file() or any(_from_space_file(item) for item in vars(value).values())
