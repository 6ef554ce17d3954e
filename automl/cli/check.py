"""What `automl check` tells of a space before anything expensive runs."""

from __future__ import annotations

import tempfile
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from automl import user_code
from automl.config import Config
from automl.errors import UserError
from automl.home import Home, make_writable
from automl.measure.measurement import measure
from automl.models.family import count_parameters
from automl.recipe import Step
from automl.space import space_file
from automl.space.domains import IntDomain, OneOfDomain
from automl.space.exploring import Explored, validate
from automl.space.initial_points import describe
from automl.space.space import TrialConfig
from automl.store import Store
from automl.trial.reference_model import largest
from automl.trial.result import TrialResult, failed
from automl.trial.trial import run as run_trial


def check(name: str, sets: dict[str, str], home: Home, *, run: bool) -> dict[str, Any]:
    """The space's parameters and size; with `run` one trial of it, each training one epoch long.

    Raises UserError on a space that cannot be searched.
    """
    path = space_file.find(name)
    text = space_file.read(path)
    space = space_file.load(text, sets, str(path))
    explored = validate(space)
    make_writable(home)
    reference = largest(space, explored, home.cache)
    report: dict[str, Any] = {
        "space": path.stem,
        "objectives": ", ".join(space.objectives),
        "constraints": ", ".join(space.constraints) or "none",
        "configurations": _configurations(explored),
        "training_rows": len(reference.data.train.targets),
        "largest_model_parameters": count_parameters(reference.network),
        "largest_model_bytes": len(reference.export()),
        "parameters": {p: describe(domain) for p, domain in explored.domains.items()},
    }
    if run:
        result = _tiny_trial(explored.configs[-1], home.cache, user_code.fingerprint(text))
        if result.status == "failed":
            raise UserError(f"a tiny trial of {path} failed: {result.reason}")
        report["trial"] = f"{result.status} {result.reason}".strip()
    return report


def _configurations(explored: Explored) -> str:
    """How many there are, when no parameter is continuous: the product, at the most."""
    count = 1
    for domain in explored.domains.values():
        match domain:
            case IntDomain(low, high, step):
                count *= (high - low) // step + 1
            case OneOfDomain():
                count *= len(domain.options)
            case _:
                return "continuous"
    return f"at most {count}"


def _short(value: Any) -> Any:
    """A value, each training in it as short as can be and in this process."""
    if isinstance(value, tuple):
        return tuple(map(_short, value))
    if isinstance(value, Config):
        inner = {f.name: _short(getattr(value, f.name)) for f in fields(value)}  # type: ignore[arg-type]
        value = replace(value, **inner)  # type: ignore[type-var]
    return value.shortest() if isinstance(value, Step) else value


def _tiny_trial(config: TrialConfig, cache: Path, space_source: str) -> TrialResult:
    """Run a config in this process, each training as short as can be."""
    tiny = replace(config, recipe=_short(config.recipe))
    with tempfile.TemporaryDirectory() as folder:
        trial = run_trial(
            tiny,
            Store(folder),
            lambda file, rows: measure(file, rows.inputs, rows.targets),
            cache,
            space_source,
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
