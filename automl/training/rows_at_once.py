"""The rows of a batch that a model learns from at once: fewer where they do not fit its device.

The gradients of the parts of a batch add up to those of the whole, so that a batch stays what it
is, but for batch norms, which take the moments of a part.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace

import torch
from torch import Tensor, nn

from automl.models.out_of_memory import fewer_rows, is_out_of_memory
from automl.models.plain_layers import BATCH_NORMS
from automl.training import parallel
from automl.training.batches import MAX_ROWS_AT_ONCE, Batches, Part, Plan
from automl.training.losses import BatchLoss, Outputs
from automl.training.parallel import Spread

PLACES = 100
"""Places of a training at which its batches' size is asked."""

BESIDE = 3
"""Of each number that learns, what spreading it over ranks and an optimizer's state take."""


class RowsAtOnce:
    """The most rows at once of a module that learns: `most`, and fewer once more did not fit.

    `outputs` calls the module, or another form of it, whose outputs the loss reads. They
    `all_learn` unless a rehearsal found a parameter that could learn to get no gradient.

    A part is tried, and where memory does not suffice tried again on half as many rows; `least` is
    the fewest: two for batch norms. Ranks that wait for one another cannot try again, so that they
    `rehearse` before they begin.
    """

    def __init__(
        self,
        module: nn.Module,
        loss: BatchLoss,
        outputs: Callable[[nn.Module, Tensor], Outputs],
        most: int = MAX_ROWS_AT_ONCE,
    ) -> None:
        self.module, self.loss, self.outputs = module, loss, outputs
        self.most, self.proven, self.has_rehearsed = most, 0, False
        self.parameters, self.all_learn = list(module.parameters()), True
        self.has_norms = any(isinstance(layer, BATCH_NORMS) for layer in module.modules())
        self.least, self.least_rows = 2 if self.has_norms else 1, 1

    def with_rows_for_norms(self, plan: Plan, batches: Batches) -> Plan:
        """The plan, each batch of which has two rows on every rank where a batch norm cannot learn
        from one: of a single number it knows no variance."""
        if self.has_norms and not plan.full_batch and min(_sizes(plan)) < 2 * plan.share[1]:
            try:
                self.try_out(self.module, next(batches.take(torch.arange(1), 1)))
            except ValueError:
                self.least_rows = 2
        return replace(plan, least_rows=self.least_rows)

    def learn(self, spread: Spread, part: Part, divisor: float, num_rows: int) -> Tensor:
        """Add the gradients of a part's loss over `divisor`; returns the loss, of shape ().

        `num_rows` are the most that any rank has in its part of the same batch.
        """

        def in_pieces(rows: int) -> Tensor:
            pieces = _pieces(part, self._number(num_rows, rows))
            losses = [spread.learn(piece, self.loss, divisor) for piece in pieces]
            return losses[0] if len(losses) == 1 else torch.stack(losses).sum()

        if self.has_rehearsed:
            return in_pieces(self.most)
        first = min(self.most, num_rows)
        before = self._before(part, is_new=first > self.proven)
        total, rows = fewer_rows(in_pieces, first, min(self.least, first), before.put_back)
        if rows < first:
            # Gradients that CUDA graphs made may not be added to.
            self.most, spread.module = rows, spread.trainee.module
        self.proven = max(self.proven, rows)
        return total

    def rehearse(self, part: Part) -> None:
        """Find the most rows that every rank can learn from, and if all that can learn does on
        every rank, without effect on the module.

        Each rank tries by itself, beside as much memory as the training will take. Raises
        torch.OutOfMemoryError on every rank where one cannot learn from the fewest.
        """
        try:
            beside = [torch.empty_like(p) for p in self.parameters for _ in range(BESIDE)]
            rows = self.try_out(self.module, part)
            del beside
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
            rows = 0
        fits = parallel.least(self.most if rows == len(part.inputs) else rows)
        if not fits:
            raise torch.OutOfMemoryError(f"{self.least} rows are out of memory on a rank")
        self.most, self.has_rehearsed = fits, True
        self.all_learn = parallel.least(self.all_learn) == 1

    def try_out(self, called: nn.Module, part: Part) -> int:
        """The most rows of a part that the module, or its compiled form, can learn from at once;
        found without effect on it."""
        before = self._before(part, is_new=True)
        first = min(self.most, len(part.inputs))

        def on_rows(rows: int) -> None:
            piece = next(_pieces(part, self._number(len(part.inputs), rows)))
            value = piece.loss(self.loss, self.outputs(called.train(), piece.inputs))
            value.backward()  # type: ignore[no-untyped-call]
            learning = [p for p in self.parameters if p.requires_grad]
            self.all_learn = all(parameter.grad is not None for parameter in learning)

        try:
            return fewer_rows(on_rows, first, min(self.least, first), before.put_back)[1]
        finally:
            before.put_back()

    def notes(self, label: str) -> list[str]:
        """Sentences on the fewest and the most rows at once, where they are not as was asked."""
        raised = (
            f"step {label!r} learned from at least 2 rows at once, which its batch norms need; "
            "hold batch_size at 2 or more"
        )
        fewest = [raised] if self.least_rows > 1 else []
        if self.most >= MAX_ROWS_AT_ONCE:
            return fewest
        norms = "; its batch norms took the moments of so many" if self.has_norms else ""
        return [
            *fewest,
            f"step {label!r} learned from at most {self.most} rows at once: more did not fit the "
            f"device's memory, so that the gradients of larger batches were added up{norms}",
        ]

    def _before(self, part: Part, is_new: bool) -> _Before:
        """All that a part may change, as it is; of rows that went through before, gradients."""
        device = part.inputs.device
        buffers = list(self.module.buffers()) if is_new else []
        return _Before(self.parameters, buffers, _random_states(device) if is_new else [], device)

    def _number(self, num_rows: int, rows: int) -> int:
        """The number of pieces into which a part of `num_rows` is cut, the same on every rank."""
        return max(1, min(math.ceil(num_rows / rows), num_rows // self.least))


class _Before:
    """Gradients of parameters, buffers, and states of random numbers, as they were."""

    def __init__(
        self,
        parameters: list[nn.Parameter],
        buffers: list[Tensor],
        random: list[Tensor],
        device: torch.device,
    ) -> None:
        self.parameters, self.random, self.device = parameters, random, device
        self.gradients = [None if p.grad is None else p.grad.clone() for p in parameters]
        self.buffers = [(buffer, buffer.clone()) for buffer in buffers]

    def put_back(self) -> None:
        for parameter, gradient in zip(self.parameters, self.gradients, strict=True):
            parameter.grad = None if gradient is None else gradient.clone()
        with torch.no_grad():
            for buffer, values in self.buffers:
                buffer.copy_(values)
        if self.random:
            torch.set_rng_state(self.random[0])
        if len(self.random) > 1:
            torch.get_device_module(self.device).set_rng_state(self.random[1])


def _random_states(device: torch.device) -> list[Tensor]:
    """The states of random numbers: the processor's, and the device's where it has its own."""
    states = [torch.get_rng_state()]
    if device.type != "cpu":
        states.append(torch.get_device_module(device).get_rng_state())
    return states


def largest_part(plan: Plan, batches: Batches) -> Part:
    """Rows of the largest batch of a plan, as many as a rank learns from at once."""
    size = len(batches) if plan.full_batch else min(len(batches), max(_sizes(plan)))
    rows = torch.arange(max(1, math.ceil(size / plan.share[1])))
    return next(batches.take(rows, len(rows)))


def _sizes(plan: Plan) -> list[int]:
    return [plan.size(place / PLACES) for place in range(PLACES)]


def _pieces(part: Part, number: int) -> Iterator[Part]:
    """A part in so many pieces, of as many rows as can be."""
    if number == 1:
        yield part
        return
    rows = torch.arange(len(part.inputs), device=part.inputs.device)
    for piece in torch.tensor_split(rows, number):
        yield part.of(piece)
