"""The calls that lead to a body's answers, and the last of them in each of its parts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from torch import Tensor, nn

from automl.models.dataflow import Flow, Seen, flow_of
from automl.models.weights import Weight


@dataclass(frozen=True)
class AnswerWay:
    """The last calls that lead to the answers, as their places in the order of all calls: those
    made in a module, by its number, and those of functions that read a weight, by its number."""

    made_in: dict[int, int]
    reading: dict[int, int]

    def last(self, part: nn.Module) -> int:
        """The last call in a part, or of a function that reads a weight of it; -1 of none."""
        made = (self.made_in.get(id(module), -1) for module in part.modules())
        return max(*made, *self._reading(part, recurse=True), -1)

    def last_of_own(self, module: nn.Module) -> int:
        """The last that reads a weight of the module itself, or else that is made in it."""
        reading = max(self._reading(module, recurse=False), default=-1)
        return reading if reading >= 0 else self.made_in.get(id(module), -1)

    def last_of_weight(self, weight: Weight) -> int:
        """The last that reads a weight, or else that is made in the layer which holds it."""
        reading = self.reading.get(id(weight.values), -1)
        return reading if reading >= 0 else self.made_in.get(id(weight.module), -1)

    def _reading(self, part: nn.Module, recurse: bool) -> Iterator[int]:
        return (self.reading.get(id(own), -1) for own in part.parameters(recurse))


def way_to_answers(body: nn.Module, rows: Tensor) -> AnswerWay:
    """The way that the first of these rows (rows, *input shape) take through a body in evaluation
    mode. Raises what the body raises."""
    flow = flow_of(body, rows)
    places = {id(flow.calls[place]): place for place in _leading(flow, body)}
    made_in: dict[int, int] = {}
    for name, module in body.named_modules():
        within = [call for made in flow.modules.get(name, ()) for call in made.within]
        own = [call for call in flow.calls if call.is_module and call.name == name]
        made_in[id(module)] = max((places.get(id(call), -1) for call in within + own), default=-1)
    reading = {
        number: place
        for place in sorted(places.values())
        for number, _ in flow.calls[place].read
        if not flow.calls[place].is_module
    }
    return AnswerWay(made_in, reading)


def _leading(flow: Flow, body: nn.Module) -> Iterator[int]:
    """The places of the calls that lead to the answers, the last first.

    A tensor that no call gave, as one that was changed through a view of it, may come from any
    call before.
    """
    whole = flow.modules[""][0]
    made = {tensor for call in flow.calls for tensor in call.gave}
    given = {id(own) for own in (*body.parameters(), *body.buffers())}
    given |= {number for number, _ in whole.read}

    def is_unknown(tensors: Iterable[Seen]) -> bool:
        return any(tensor not in made and tensor[0] not in given for tensor in tensors)

    needed, is_any = set(whole.gave), is_unknown(whole.gave)
    for place in reversed(range(len(flow.calls))):
        call = flow.calls[place]
        if is_any or needed.intersection(call.gave):
            yield place
            needed.update(call.read)
            is_any = is_any or is_unknown(call.read)
