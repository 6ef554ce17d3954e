"""A recipe is a tuple of steps; what a step may use and says."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from automl.config import Config, snake_case
from automl.errors import UserError

if TYPE_CHECKING:
    from automl.data.dataset import Data, DatasetInfo
    from automl.models.family import ModelFamily, Network


@dataclass(frozen=True)
class Report:
    """What a step says after each epoch of its work."""

    step: str
    epoch: int
    epochs: int
    metrics: dict[str, float]


class Checkpoints(Protocol):
    """Where a step that trains keeps its state, so that a lost trial goes on."""

    def load(self) -> tuple[int, dict[str, bytes]] | None: ...

    def save(self, report: Report, files: dict[str, bytes]) -> None: ...


@dataclass(frozen=True)
class Context:
    """What a step may use beside the model. `teacher(label)` is the model after that step,
    `teacher(sibling)` the trained sibling; what the user should know of how a step went is
    added to `notes`. `once(name, make)` gives the bytes that `make` makes of the model before
    the step, kept for other trials; what it measured of each layer goes, under its label, to
    `sensitivity`.
    """

    data: Data
    seed: int
    device: str
    teacher: Callable[[str | Sibling], Network]
    checkpoints: Checkpoints
    notes: list[str] = field(default_factory=list)
    once: Callable[[str, Callable[[], bytes]], bytes] = lambda name, make: make()
    sensitivity: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Step(Config):
    """One step of a recipe. A compression overrides `apply`; a step that trains, `run`.

    `label` names the step in paths and reports: its class in snake case unless given.
    """

    label: str = field(default="", kw_only=True)
    compresses: ClassVar[bool] = True
    remakes_layers: ClassVar[bool] = False
    """Whether it puts layers of another make in the place of ordinary ones."""
    cuts: ClassVar[bool] = False
    """Whether it leaves a smaller model of the same family."""

    @property
    def teacher(self) -> str | Sibling:
        """Whom this step learns from, if anyone: the label of an earlier step, or a sibling."""
        return ""

    @property
    def num_workers(self) -> int:
        """The Train workers that this step needs; 0 when the trial's own process will do."""
        return 0

    def __post_init__(self) -> None:
        if not self.label:
            object.__setattr__(self, "label", snake_case(type(self).__name__))

    def __str__(self) -> str:
        return f"step {self.label!r}"

    def apply(self, model: Network, context: Context) -> Network:
        raise NotImplementedError(f"{type(self).__name__} has neither apply nor run")

    def run(self, model: Network, context: Context) -> Generator[Report, None, Network]:
        yield from ()
        return self.apply(model, context)

    def check(self, before: tuple[Step, ...]) -> None:
        """Raise UserError when the step cannot stand after those before it."""

    def check_data(self, info: DatasetInfo) -> None:
        """Raise UserError when the step cannot work on such data."""


@dataclass(frozen=True)
class Sibling(Config):
    """A teacher with a recipe of its own, on the trial's data and with its seed.

    It is `model`, or the trial's own model with every width times `width_factor`. It is
    trained once for all trials that need the same one: for a whole search where `model` is
    given, for each model where it is not.
    """

    recipe: tuple[Step, ...]
    model: ModelFamily | None = None
    width_factor: float = 2.0

    def of(self, model: ModelFamily) -> ModelFamily:
        return self.model or model.widened(self.width_factor)

    def check_ranges(self) -> None:
        if not self.recipe:
            raise UserError("a Sibling without steps has nothing to teach; give it a Train")
        if self.model is None and not 1 < self.width_factor < math.inf:
            raise UserError(f"{self}: width_factor must be above 1")

    def check(self) -> None:
        """Raise UserError when its steps cannot stand as they do."""
        check_labels(self.recipe)
        for position, step in enumerate(self.recipe):
            step.check(self.recipe[:position])


def check_labels(recipe: tuple[Step, ...]) -> None:
    """Raise UserError when two steps of a recipe share a label."""
    labels = [step.label for step in recipe]
    for label in labels:
        if labels.count(label) > 1:
            raise UserError(
                f"two steps of the recipe are labelled {label!r}; "
                f'give one of them another label, e.g. label="{label}_2"'
            )
