"""Choices of what a training step trains: everything, the head, layer after layer, or LoRA.

Gradual unfreezing: https://arxiv.org/abs/1801.06146. LoRA: https://arxiv.org/abs/2106.09685
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn
from torch.nn.utils import parametrize

from automl.config import Config
from automl.errors import Rejected, UserError
from automl.field_types import Above0To1, Count, Positive
from automl.models.answer_way import AnswerWay, way_to_answers
from automl.models.dataflow import ROWS
from automl.models.deployed import seen_by
from automl.models.family import Network
from automl.models.plain_layers import BATCH_NORMS
from automl.recipe import PASSES, Context
from automl.training.parallel import DataParallel, Parallelism, SingleDevice


class Trainable(Config):
    """Base of the choices of what learns. All that came frozen stays so, and after the step the
    rest can learn again.

    `passes` is what learning from a row costs, in forward passes. `changes_on_the_way` is True
    where what learns changes during the training: such a training runs on one rank only, as
    ranks that share gradients agree at the start on what learns.
    """

    passes: ClassVar[int] = PASSES
    changes_on_the_way: ClassVar[bool] = False

    def check(self, label: str, parallelism: Parallelism) -> None:
        """Raise UserError where a step cannot spread what is chosen over ranks."""
        known = (SingleDevice,) if self.changes_on_the_way else (SingleDevice, DataParallel)
        if not isinstance(self, Everything) and not isinstance(parallelism, known):
            raise UserError(
                f"step {label!r} trains {type(self).__name__}, which {type(parallelism).__name__} "
                f"cannot spread; take {' or '.join(kind.__name__ for kind in known)}"
            )

    @contextmanager
    def chosen(
        self, model: Network, label: str, context: Context
    ) -> Iterator[Callable[[float], None]]:
        """Have only what is chosen learn until the body ends, which calls what it is given at the
        beginning of each epoch, after `train()`, with the share of the epochs that is done.

        What the step `label` chose by itself is noted. Raises Rejected where nothing can be chosen.
        """
        yield lambda share_done: None


@dataclass(frozen=True)
class Everything(Trainable):
    """All that can learn."""


@dataclass(frozen=True)
class Head(Trainable):
    """The head alone, a linear probe: the part with weights that is called last on the way to the
    answers, or the `modules`."""

    modules: tuple[str, ...] = ()
    passes: ClassVar[int] = 1

    @contextmanager
    def chosen(
        self, model: Network, label: str, context: Context
    ) -> Iterator[Callable[[float], None]]:
        way = _way(model, context)
        found = _named(model, self.modules, way) or [_head(model, way, label, context)]
        with _frozen_but(model, _weights_of(found)):
            yield lambda share_done: _rest(model)


@dataclass(frozen=True)
class Gradual(Trainable):
    """The head at first; the other layers join from the last that is called to the first, evenly
    over a `share` of the epochs."""

    share: Above0To1 = 0.5
    changes_on_the_way: ClassVar[bool] = True

    @contextmanager
    def chosen(
        self, model: Network, label: str, context: Context
    ) -> Iterator[Callable[[float], None]]:
        way = _way(model, context)
        head = _weights_of([_head(model, way, label, context)])
        own = [list(layer.parameters(recurse=False)) for layer in _in_order(model, way)]
        waiting = [
            kept
            for layer in reversed(own)
            if (kept := [p for p in layer if p.requires_grad and not _is_among(p, head)])
        ]

        def begin_epoch(share_done: float) -> None:
            joined = math.floor(len(waiting) * min(1.0, share_done / self.share))
            for layer in waiting[:joined]:
                for parameter in layer:
                    parameter.requires_grad_(True)
            _rest(model)

        with _frozen_but(model, head):
            yield begin_epoch


@dataclass(frozen=True)
class LoRA(Trainable):
    """The head, and an addition of low rank to each linear layer's weight: `scale` times the
    product of two narrow matrices, added to the weight for good when the step ends."""

    rank: Count = 8
    scale: Positive = 1.0

    @contextmanager
    def chosen(
        self, model: Network, label: str, context: Context
    ) -> Iterator[Callable[[float], None]]:
        if model.spec.keeps_zeros:
            raise Rejected("LoRA adds to every weight, and Clip's zeros are to stay; leave one out")
        head = _weights_of([_head(model, _way(model, context), label, context)])
        taken = [*head, *_shared(model)]
        layers = [layer for layer in model.body.modules() if _takes_addition(layer, taken)]
        if not layers:
            raise Rejected("LoRA finds no linear layer beside the head that can learn")
        orders = [list(_own(layer)) for layer in layers]
        with _frozen_but(model, head):
            for layer in layers:
                addition = _LowRank(layer.get_parameter("weight"), self.rank, self.scale)
                parametrize.register_parametrization(layer, "weight", addition)
            try:
                yield lambda share_done: _rest(model)
            finally:
                for layer, order in zip(layers, orders, strict=True):
                    _merge(layer, order)


class _LowRank(nn.Module):
    """A weight (outputs, inputs) plus `scale` times a product of low rank, which is 0 at first."""

    def __init__(self, weight: Tensor, rank: int, scale: float) -> None:
        super().__init__()
        num_outputs, num_inputs = weight.shape
        self.scale = scale
        self.down = nn.Parameter(weight.new_empty(rank, num_inputs))
        self.up = nn.Parameter(weight.new_zeros(num_outputs, rank))
        nn.init.kaiming_uniform_(self.down, a=math.sqrt(5))

    def forward(self, weight: Tensor) -> Tensor:
        return weight + self.scale * (self.up @ self.down)


def _merge(layer: nn.Module, order: list[str]) -> None:
    """Add a layer's addition to its weight. Its parameters stand in their order again: that is how
    an optimizer's state finds them."""
    parametrize.remove_parametrizations(layer, "weight", leave_parametrized=True)
    own = _own(layer)
    for name in order:
        delattr(layer, name)
        layer.register_parameter(name, own[name])


def _own(layer: nn.Module) -> dict[str, nn.Parameter]:
    return dict(layer.named_parameters(recurse=False))


def _takes_addition(layer: nn.Module, taken: list[nn.Parameter]) -> bool:
    """Tell if a layer multiplies by a plain matrix of its own that can learn."""
    weight = _own(layer).get("weight")
    if weight is None or weight.ndim != 2 or isinstance(layer, nn.Embedding | nn.EmbeddingBag):
        return False
    return weight.requires_grad and weight.is_floating_point() and not _is_among(weight, taken)


def _way(model: Network, context: Context) -> AnswerWay:
    rows = context.data.train.inputs[:ROWS]
    return way_to_answers(model.body, seen_by(model, rows, context.data.info))


def _named(model: Network, names: tuple[str, ...], way: AnswerWay) -> list[nn.Module]:
    """The modules of these names."""
    known = dict(model.body.named_modules())
    for name in names:
        if name not in known:
            raise Rejected(f"the model has no {name} to train as its head")
        if way.last(known[name]) < 0:
            raise Rejected(
                f"{name!r} plays no part in the answers, so it cannot be trained as the head; "
                "name another in Head(modules=...)"
            )
    return [known[name] for name in names]


def _head(model: Network, way: AnswerWay, label: str, context: Context) -> nn.Module:
    """The part with weights that is called last on the way to the answers; where none is called,
    the one that was registered last."""
    part: nn.Module = model.body
    while parts := [child for child in part.children() if any(True for _ in child.parameters())]:
        part = max(reversed(parts), key=way.last)
        if len(parts) > 1:
            break
    if part is not model.body:
        name = next(name for name, module in model.body.named_modules() if module is part)
        context.notes.append(f"step {label!r} trains the head {name!r}")
    return part


def _in_order(model: Network, way: AnswerWay) -> list[nn.Module]:
    """All modules of a model: those that play no part, then the first that is called, first."""

    def place(name: str) -> int:
        # What computes a layer's weight stands where the layer does.
        return way.last_of_own(model.body.get_submodule(name.partition(".parametrizations.")[0]))

    modules = dict(model.body.named_modules())
    return [modules[name] for name in sorted(modules, key=place)]


def _shared(model: Network) -> list[nn.Parameter]:
    """The parameters that stand under several names, such as an embedding's that a layer shares."""
    named = [p for _, p in model.named_parameters(remove_duplicate=False)]
    uses = Counter(map(id, named))
    return [parameter for parameter in named if uses[id(parameter)] > 1]


def _weights_of(modules: list[nn.Module]) -> list[nn.Parameter]:
    return [parameter for module in modules for parameter in module.parameters()]


def _is_among(parameter: nn.Parameter, others: list[nn.Parameter]) -> bool:
    return any(parameter is other for other in others)


@contextmanager
def _frozen_but(model: Network, learning: list[nn.Parameter]) -> Iterator[None]:
    """Have the other parameters not learn until the body ends; then each is as it was."""
    before = [(parameter, parameter.requires_grad) for parameter in model.parameters()]
    try:
        for parameter, _ in before:
            if not _is_among(parameter, learning):
                parameter.requires_grad_(False)
        yield
    finally:
        for parameter, could_learn in before:
            parameter.requires_grad_(could_learn)


def _rest(model: Network) -> None:
    """Have batch norms whose weights do not learn keep their statistics, too."""
    for norm in model.modules():
        if isinstance(norm, BATCH_NORMS) and not any(p.requires_grad for p in norm.parameters()):
            norm.eval()
