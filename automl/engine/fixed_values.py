"""The leaves of a space that the options of a new search fix, by their paths."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields

from automl.config import choices, encode, import_choices
from automl.engine.search_options import NewSearch
from automl.engine.space_source import SpaceSource
from automl.errors import UserError, unknown
from automl.space import space_file
from automl.space.exploring import explore
from automl.space.space import Space
from automl.training.parallel import Parallelism


def fixed(source: SpaceSource, new: NewSearch) -> dict[str, str]:
    """The leaves of a space that the options fix, by their paths."""
    found = texts(new.sets)
    if new.seed is not None:
        found["seed"] = str(new.seed)
    return found | _parallelism(space_file.load(source.text, found, source.where), new)


def texts(sets: Mapping[str, object] | None) -> dict[str, str]:
    """The values of `--set` by their paths, as the command line has them: a text as it is, and of
    anything else the JSON. Raises UserError on what has none."""
    found = {}
    for path, value in (sets or {}).items():
        try:
            found[path] = value if isinstance(value, str) else json.dumps(encode(value))
        except TypeError as error:
            raise UserError(
                f"--set {path}: {value!r} cannot be written as JSON ({error}); give a number, a "
                "text or the name of an option"
            ) from None
    return found


def _parallelism(space: Space, new: NewSearch) -> dict[str, str]:
    """The leaves that `--workers-per-trial` and `--parallelism` fix, of all steps that train."""
    workers, parallelism = new.workers_per_trial, new.parallelism
    if workers is None and parallelism is None:
        return {}
    import_choices()
    known = [name for name in choices(Parallelism) if name != "SingleDevice"]
    if parallelism is not None and parallelism not in known:
        raise UserError(unknown("parallelism", parallelism, known))
    value = {"type": parallelism or "DataParallel", "num_workers": workers or 2}
    labels = {
        step.label
        for config in explore(space).configs
        for step in config.recipe
        if any(f.name == "parallelism" for f in fields(step))
    }
    return {f"recipe.{label}.parallelism": json.dumps(value) for label in sorted(labels)}
