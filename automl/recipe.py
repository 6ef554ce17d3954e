"""Steps, of which a recipe is a tuple: what each may use, reports, and knows of itself."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Protocol, Self, cast

from automl.config import Config, snake_case
from automl.errors import UserError

if TYPE_CHECKING:
    from automl.data.dataset import Data, DatasetInfo
    from automl.models.family import ModelFamily, Network
    from automl.models.possible_network import PossibleNetwork

PASSES = 3
"""Forward passes of each row that training takes: one, and a backward pass of two."""

STATISTICS_ROWS = 2048
"""Training rows that a compression looks at, unless it says otherwise."""


@dataclass(frozen=True)
class Report:
    """The report of a step after an epoch of its work.

    A `note` is what the user should know at once. `batches` were learned from by then; 0 says
    that it is not known.
    """

    step: str
    epoch: int
    epochs: int
    metrics: dict[str, float]
    note: str = ""
    batches: int = 0


class Checkpoints(Protocol):
    """The store of a training step's state, so that a lost trial goes on."""

    def load(self) -> tuple[int, dict[str, bytes]] | None: ...

    def save(self, report: Report, make: Callable[[], dict[str, bytes]]) -> None: ...


@dataclass(frozen=True)
class LayerOption:
    """A size that a layer may come to have.

    `value` is the step's own measure of it (bits, units, a share of the largest rank), `size` what
    the layer then takes, `loss` the mean squared change of the answers relative to their
    variance.
    """

    value: float
    size: float
    loss: float


@dataclass(frozen=True)
class LayerSensitivity:
    """Losses of each layer by each of its options, as a step measured them.

    `of` is "bits", "ranks" or "units"; `settings` are JSON values on which the options depend.
    """

    of: str
    settings: Mapping[str, object]
    layers: Mapping[str, Sequence[LayerOption]]

    @classmethod
    def decode(cls, data: Mapping[str, object]) -> Self:
        """The inverse of `as_json`."""
        layers = cast(dict[str, list[dict[str, float]]], data["layers"])
        options = {name: [LayerOption(**option) for option in own] for name, own in layers.items()}
        settings = {key: value for key, value in data.items() if key not in ("of", "layers")}
        return cls(str(data["of"]), settings, options)

    def as_json(self) -> dict[str, object]:
        layers = {name: [vars(option) for option in own] for name, own in self.layers.items()}
        return {"of": self.of, **self.settings, "layers": layers}


@dataclass(frozen=True)
class LayerOutcome(Config):
    """The outcome of a step for one tensor of weights: what it made of it, or why it stays.

    `tensor` is its name in the network's body, such as "head.weight"; `change` says in words what
    was made of it, such as "8 bits". `change` is empty where the tensor stays, for the `reason`.
    """

    tensor: str
    num_weights: int
    change: str = ""
    reason: str = ""


@dataclass(frozen=True)
class Context:
    """All that a step may use beside the network, and the places for what it found.

    `teacher(label)` is the network after that step, `teacher(sibling)` the trained sibling.
    `once(name, make)` gives the bytes that `make` makes of the network before the step, kept for
    other trials. What the user should know of how a step went is added to `notes`. Under its
    label, what it measured of each layer goes to `sensitivity`, what it made of each to `outcomes`.
    Where time is limited, a step that trains asks `goes_on(share)` with the share of its training
    that is done, and ends its training as it stands on False.
    """

    data: Data
    seed: int
    device: str
    teacher: Callable[[str | Sibling], Network]
    checkpoints: Checkpoints
    notes: list[str] = field(default_factory=list)
    once: Callable[[str, Callable[[], bytes]], bytes] = lambda name, make: make()
    sensitivity: dict[str, LayerSensitivity] = field(default_factory=dict)
    outcomes: dict[str, tuple[LayerOutcome, ...]] = field(default_factory=dict)
    goes_on: Callable[[float], bool] | None = None


@dataclass(frozen=True)
class Step(Config):
    """A step of a recipe. A compression overrides `apply`; a step that trains, `run`.

    `label` names the step in paths and reports: its class in snake case unless given.
    """

    label: str = field(default="", kw_only=True)
    compresses: ClassVar[bool] = True
    remakes_layers: ClassVar[bool] = False
    """The step puts layers of another make in the place of ordinary layers."""
    cuts: ClassVar[bool] = False
    """The step leaves a smaller network of the same family."""
    calls_per_row: ClassVar[int] = 1
    """The times that the file asks the network for each row, because of the step."""
    note: ClassVar[str] = ""
    """A sentence for who takes the file, on how it answers because of the step."""

    @property
    def teacher(self) -> str | Sibling:
        """The label of the earlier step, or the sibling, that teaches this step; "" of none."""
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

    def apply(self, network: Network, context: Context) -> Network:
        raise NotImplementedError(f"{type(self).__name__} has neither apply nor run")

    def run(self, network: Network, context: Context) -> Generator[Report, None, Network]:
        yield from ()
        return self.apply(network, context)

    def after(self, network: PossibleNetwork) -> list[PossibleNetwork]:
        """The networks that the step may leave of one, each the least that it may be.

        None, unless a step says more: nothing is known then of what the rest of the recipe
        makes, and no trial is screened for it. Raises Rejected where the step would.
        """
        return []

    def work(self, before: float, after: float, teacher: float, num_rows: int) -> float:
        """An estimate of what the step computes, in multiply-accumulates.

        `before`, `after` and `teacher` are those of one row through the network before the
        step, the network after it, and what teaches; `num_rows` are the training rows. Unless
        a step says more, a compression looks at some rows once, and any other step trains on
        all rows once.
        """
        return STATISTICS_ROWS * before if self.compresses else PASSES * num_rows * after

    def rows_for_layers(self, network: PossibleNetwork) -> int:
        """The rows that go through a network once more for each layer that the step changes, in
        all; their work comes beside that of `work`."""
        return 0

    def without_each_technique(self) -> dict[str, Step]:
        """The step without each technique that stands in it, by the technique's name.

        None unless a step names some: then it can only be left out as a whole.
        """
        return {}

    def shortest(self) -> Step:
        """The step with as little work as shows that it runs, in the trial's own process."""
        return self

    def shortened(self, share: float) -> Step:
        """The step with its training, if any, this share as long: of fewer epochs, or of a single
        one on fewer rows. A sibling that teaches stays as it is."""
        return self

    def suits(self, network: PossibleNetwork) -> bool:
        """False of an untrained network on which the step finds nothing to do, or saves fewer bytes
        than its own operators take, whatever other steps make of it before."""
        return True

    def check(self, before: tuple[Step, ...]) -> None:
        """Raise UserError when the step cannot stand after those before it."""

    def check_data(self, info: DatasetInfo) -> None:
        """Raise UserError when the step cannot work on such data."""

    def check_network(self, network: Network, data: Data) -> None:
        """Raise UserError when the step cannot work on a network like this untrained one."""


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

    def of(self, family: ModelFamily) -> ModelFamily:
        return self.model or family.widened(self.width_factor)

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
