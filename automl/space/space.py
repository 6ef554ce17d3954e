"""The search space and the trial config, whose leaves may be domains."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from automl.conditions import Condition, parse
from automl.config import Config
from automl.errors import UserError
from automl.recipe import Step
from automl.space.runtime import Runtime

if TYPE_CHECKING:
    from automl.data.dataset import Dataset
    from automl.models.family import ModelFamily

MAX_SEED = 2**32 - 1


@dataclass(frozen=True)
class TrialConfig(Config):
    """The config of a trial: the data, the model, and the steps of its recipe in order."""

    dataset: Dataset
    model: ModelFamily
    recipe: tuple[Step, ...]
    seed: int = 0

    def check_ranges(self) -> None:
        if not 0 <= self.seed <= MAX_SEED:
            raise UserError(f"the seed is {self.seed}; give one from 0 to {MAX_SEED}")


@dataclass(frozen=True)
class Space(Config):
    """A trial config with domains, and the objectives and constraints of its search.

    `objectives` are names of metrics or of a file's figures (`pareto.DIRECTIONS`); "quality" is
    the metric that suits the data's task (`quality.usual`).
    `constraints` read like "size_bytes<=40000" or "accuracy within 1% of reference" (see
    `conditions.py`). Every file is timed on each of the `runtimes`, by default by onnxruntime on
    one thread: on the first for `latency_ms`, on another for a figure that has its name before,
    such as `openvino/latency_ms`. `fixed` maps paths to values that replace the
    values there (`--set`). Relative paths of data and weights are looked for in `folders`, in
    their order.
    """

    later_fields: ClassVar = {"runtimes": ()}

    trial: TrialConfig
    objectives: tuple[str, ...] = ("accuracy", "size_bytes", "latency_ms")
    constraints: tuple[str, ...] = ()
    runtimes: tuple[Runtime, ...] = ()
    fixed: dict[str, str] = field(default_factory=dict)
    folders: tuple[str, ...] = ()

    @property
    def conditions(self) -> list[Condition]:
        """Every condition of the constraints. Raises UserError on one that cannot be read."""
        return [condition for text in self.constraints for condition in parse(text)]
