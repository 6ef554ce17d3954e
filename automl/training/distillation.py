"""Losses in which other networks teach: distillation, a teacher that learns along, peers.

Distillation: https://arxiv.org/abs/1503.02531, hint layers: https://arxiv.org/abs/1412.6550,
mutual learning: https://arxiv.org/abs/1706.00384
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from automl.data.dataset import DatasetInfo
from automl.errors import Rejected, UserError
from automl.field_types import Count, From0To1, NotNegative, Positive
from automl.models.deployed import predict
from automl.models.family import ModelFamily, Network, Spec, fitted, untrained
from automl.recipe import Sibling
from automl.training.hints import Apprentice, hint_pairs, two_rows
from automl.training.losses import CrossEntropy, Loss, MeanSquaredError


class Taught(Loss):
    """Base of the losses in which other networks teach.

    `weight` is the share of what they teach, softened by `temperature`; the rest comes from the
    labels. In a regression both are squared errors.
    """

    temperature: Positive
    weight: From0To1

    @property
    def technique(self) -> str:
        return super().technique or "teaching"

    def weighed(self, outputs: Tensor, targets: Tensor, taught: Tensor) -> Tensor:
        """The weighed sum of both over the rows, a scalar.

        Outputs and taught are (rows, outputs), targets (rows,) or (rows, outputs).
        """
        soft = softened_distance(outputs, taught, self.temperature, targets.is_floating_point())
        return self.weight * soft + (1 - self.weight) * from_labels(outputs, targets)


@dataclass(frozen=True)
class Distill(Taught):
    """A teacher that is trained already teaches the model.

    The teacher is a sibling, or the model after an earlier step of its own recipe, of which the
    model is the compressed copy.
    """

    teacher: str | Sibling = "train"
    temperature: Positive = 2.0
    weight: From0To1 = 0.5

    def check(self, info: DatasetInfo) -> None:
        if isinstance(self.teacher, Sibling):
            for step in self.teacher.recipe:
                step.check_data(info)
            _check_teacher(self.teacher.model, info)

    def __call__(self, outputs: Tensor, targets: Tensor, taught: Tensor | None) -> Tensor:
        assert taught is not None
        return self.weighed(outputs, targets, taught)


@dataclass(frozen=True)
class Joint(Taught):
    """The model and a larger teacher learn together; then the model alone is kept.

    Both learn from the labels. The model also learns from the teacher's answers and, weighed by
    `hints`, from its hidden layers. The teacher is `model`, or the model itself with every width
    times `width_factor`, and begins untrained. Hidden layers are paired by name, and compared
    after a learned linear map of the model's channels to the teacher's, in shares of their size.
    """

    width_factor: float = 2.0
    model: ModelFamily | None = None
    temperature: Positive = 4.0
    weight: From0To1 = 0.5
    hints: NotNegative = 1.0

    def check_ranges(self) -> None:
        if self.model is None and not 1 < self.width_factor < math.inf:
            raise UserError(f"{self}: width_factor must be above 1")

    def check(self, info: DatasetInfo) -> None:
        _check_teacher(self.model, info)

    def work_beside(self) -> float:
        return self.width_factor**2

    def around(self, model: Network, info: DatasetInfo) -> nn.Module:
        family = self.model or larger(model.spec.model, self.width_factor)
        teacher = _untrained_beside(model, family, info)
        if family.knots(info) != model.spec.model.knots(info):
            raise Rejected("Joint: the teacher's bins are not the model's; make them equal")
        if family.scaling(info) != model.spec.model.scaling(info):
            raise Rejected("Joint: the teacher's mean and std are not the model's; make them equal")
        if problem := misfit(teacher) or other_units(family, model.spec.model, info):
            raise Rejected(f"Joint: {problem}")
        pairs = hint_pairs(model, teacher) if self.hints else []
        if self.hints and not pairs:
            raise Rejected(
                "Joint: the model and its teacher share no hidden layer by name; choose hints=0"
            )
        return Apprentice(model, teacher, pairs)

    def __call__(
        self, outputs: tuple[Tensor, Tensor, Tensor], targets: Tensor, taught: Tensor | None
    ) -> Tensor:
        own, theirs, distances = outputs
        together = self.weighed(own, targets, theirs.detach()) + from_labels(theirs, targets)
        return together + self.hints * distances.sum()


@dataclass(frozen=True)
class Mutual(Taught):
    """The model and `peers` learn together; then the model alone is kept.

    Each learns from the labels and the answers of all others. Peers are of the model's family and
    widths. They begin untrained, without the edits that steps made of single layers.
    """

    peers: Count = 1
    temperature: Positive = 1.0
    weight: From0To1 = 0.5

    def work_beside(self) -> float:
        return float(self.peers)

    def around(self, model: Network, info: DatasetInfo) -> nn.Module:
        family = model.spec.model
        networks = [model, *(_untrained_beside(model, family, info) for _ in range(self.peers))]
        if any(_are_equal(one, other) for one, other in combinations(networks, 2)):
            raise Rejected(
                f"Mutual: each {type(family).__name__} begins with the same weights, so that no "
                "peer can teach another; leave out `weights`, and any seed set by its factory"
            )
        return _Peers(networks)

    def __call__(self, outputs: Tensor, targets: Tensor, taught: Tensor | None) -> Tensor:
        sums = [
            self.weighed(own, targets, other.detach())
            for i, own in enumerate(outputs)
            for j, other in enumerate(outputs)
            if i != j
        ]
        return torch.stack(sums).sum() / self.peers


def softened_distance(
    outputs: Tensor, taught: Tensor, temperature: float, is_regression: bool
) -> Tensor:
    """The distance of outputs from a teacher's, both (rows, outputs), summed over rows: a scalar.

    It is the divergence of softened classes times the temperature's square; in a regression the
    squared errors averaged over outputs.
    """
    if is_regression:
        return MeanSquaredError()(outputs, taught, None)
    divergence = F.kl_div(
        F.log_softmax(outputs / temperature, dim=1),
        F.log_softmax(taught / temperature, dim=1),
        reduction="sum",
        log_target=True,
    )
    return temperature**2 * divergence


def from_labels(outputs: Tensor, targets: Tensor) -> Tensor:
    """The task's usual loss, summed over rows: a scalar.

    Outputs are (rows, outputs), targets class numbers (rows,) or numbers (rows, outputs).
    """
    loss = MeanSquaredError() if targets.is_floating_point() else CrossEntropy()
    return loss(outputs, targets, None)


def misfit(teacher: Network) -> str:
    """A sentence on what is wrong with a teacher's answers; "" when nothing is."""
    name, wanted = type(teacher.spec.model).__name__, teacher.spec.num_outputs
    try:
        answers = predict(teacher, two_rows(teacher.spec))
    except Exception as error:
        return f"the teacher {name} cannot answer rows of {teacher.spec.input_shape}: {error}"
    if tuple(answers.shape) == (2, wanted):
        return ""
    return (
        f"the teacher {name} gives {tuple(answers.shape[1:])} for a row and the data asks for "
        f"({wanted},); choose a teacher of as many outputs"
    )


def other_units(teacher: ModelFamily, family: ModelFamily, info: DatasetInfo) -> str:
    """A sentence where a teacher's answers are in other units than a family's; else ""."""
    if teacher.target_scaling(info) == family.target_scaling(info):
        return ""
    return (
        f"one of {teacher}, which teaches, and {family} came trained and answers in the targets' "
        "own units, and the other in units of mean 0 and deviation 1; give both weights, or none"
    )


def _check_teacher(family: ModelFamily | None, info: DatasetInfo) -> None:
    if family is not None and (problem := misfit(untrained(family, info))):
        raise UserError(problem)


def _untrained_beside(model: Network, family: ModelFamily, info: DatasetInfo) -> Network:
    """A network for the same rows and answers."""
    spec = model.spec
    return fitted(Spec(family, spec.input_shape, spec.num_outputs, spec.num_tokens), info)


def _are_equal(one: Network, other: Network) -> bool:
    return all(torch.equal(p, q) for p, q in zip(one.parameters(), other.parameters()))


class _Peers(nn.Module):
    """Several networks that answer the same rows."""

    def __init__(self, networks: Sequence[Network]) -> None:
        super().__init__()
        self.networks = nn.ModuleList(networks)

    def forward(self, inputs: Tensor) -> Tensor:
        """The answers (networks, rows, outputs) to inputs (rows, *input shape)."""
        return torch.stack([network(inputs) for network in self.networks])


def larger(family: ModelFamily, width_factor: float) -> ModelFamily:
    """A family some times as wide, to teach another. Raises Rejected where it has no widths."""
    if not family.groups():
        name = type(family).__name__
        raise Rejected(f"this {name} has no widths to multiply; name the teacher's `model`")
    return family.widened(width_factor)
