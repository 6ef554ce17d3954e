"""A tiny trial of a space: each training is one epoch long, and runs in this process."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

from automl.config import Config, field_names
from automl.errors import UserError
from automl.measure.measurement import timer
from automl.recipe import Step
from automl.space.space import TrialConfig
from automl.store import Store
from automl.trial.result import TrialResult, failed
from automl.trial.trial import run as run_trial
from automl.trial.trial_options import TrialOptions


def run(config: TrialConfig, cache: Path, space_source: str) -> TrialResult:
    """Run a config with each training as short as can be; its datasets are read from `cache`."""
    recipe = _short(config.recipe)
    assert isinstance(recipe, tuple)
    with tempfile.TemporaryDirectory() as folder:
        trial = run_trial(
            replace(config, recipe=recipe),
            Store(folder),
            timer(),
            cache,
            TrialOptions(space_source),
        )
        try:
            while True:
                next(trial)
        except StopIteration as end:
            result: TrialResult = end.value
            return result
        except UserError:
            raise
        except Exception as error:
            return failed(error)


def _short(value: object) -> object:
    """A value in which each training takes one epoch, in this process."""
    if isinstance(value, tuple):
        return tuple(map(_short, value))
    if isinstance(value, Config):
        inner = {name: _short(getattr(value, name)) for name in field_names(value)}
        value = replace(value, **inner)  # type: ignore[type-var]
    return value.shortest() if isinstance(value, Step) else value
