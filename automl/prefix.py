"""Every prefix of a recipe is an artifact; this is its key in the store."""

from __future__ import annotations

import hashlib

from automl.config import SPACE_MODULE_PREFIX, Config, canonical
from automl.space import TrialConfig

SCHEMA_VERSION = 1


def prefix_keys(config: TrialConfig, space_source: str = "") -> list[str]:
    """The store's key of each prefix recipe[:1] … recipe[:n].

    The hash of dataset, model, steps and seed, and, where a class of the space file is
    used, of that file's text (`space_source`, without the statement that builds the space).
    """
    keys = []
    for length in range(1, len(config.recipe) + 1):
        parts = (config.dataset, config.model, *config.recipe[:length])
        own = any(_from_space_file(part) for part in parts)
        text = canonical(
            {
                "dataset": config.dataset.fingerprint(),
                "model": config.model,
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
    if type(value).__module__.startswith(SPACE_MODULE_PREFIX):
        return True
    return any(_from_space_file(item) for item in vars(value).values())
