"""A call of a module, followed operation by operation: which units of its tensors go together."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from automl.compression.layer_rules import spatial
from automl.compression.unit_labels import ANSWERS, Labels, data, is_data
from automl.compression.unit_rules import RULES, Call, Followed, Rule, entry_by_entry, unknown
from automl.models.dataflow import tensors_in
from automl.models.family import Network
from automl.models.torch_patches import (
    OpOverload,
    TorchDispatchMode,
    named_arguments,
    operation_name,
    plain_kernels,
)

NOT_SAVED = "its units run through the buffer {!r}, which is not saved with the weights"


@dataclass(frozen=True)
class Trace:
    """The record of a call of a network.

    `labels` are those of each tensor by its name, `lengths` the labels of dimensions that tensors
    had inside the forward of each module, `called` the tensors that the call used. `read` and
    `made` are the labels of weights that read and that make units.
    """

    known: Followed
    labels: dict[str, list[Labels | None]]
    lengths: dict[str, list[Labels]]
    called: frozenset[str]
    read: Labels
    made: Labels


def traced(network: Network, rows: Tensor, outer: bool) -> Trace:
    """Follow units through the answers to `rows` (rows, *input shape), in evaluation.

    `outer` as in `unit_labels.reshaped`.
    """
    known = Followed(outer)
    rows = rows.to(next((tensor.device for tensor in network.parameters()), rows.device))
    tensors = _own_tensors(network.body)
    saved = set(network.body.state_dict())
    for name, tensor in tensors.items():
        dims = [known.units.new(size) if size > 1 else None for size in tensor.shape]
        known.learn(tensor, list(dims), of_state=True)
        if name not in saved:
            for labels in dims:
                known.units.fix(labels, NOT_SAVED.format(name))
    known.learn(rows, [data(size) for size in rows.shape], of_state=False)
    names = {id(tensor): name for name, tensor in tensors.items()}
    following = _Following(known, names)
    with torch.no_grad(), plain_kernels(), _places(network.body, following), following:
        answers = network.eval()(rows)
    for labels in known.dims(answers):
        known.units.fix(labels, ANSWERS)
    own = {name: known.dims(tensor) for name, tensor in tensors.items()}
    read, made = (np.unique(np.concatenate([data(1), *all_])) for all_ in (known.read, known.made))
    return Trace(known, own, following.lengths, frozenset(following.called), read, made)


class _Following(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Applies the rule of each operation that a call comes down to."""

    def __init__(self, known: Followed, names: dict[int, str]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.known, self.names = known, names
        self.stack: list[tuple[str, nn.Module]] = []
        self.called: set[str] = set()
        self.lengths: dict[str, list[Labels]] = defaultdict(list)
        self._seen: set[tuple[str, bytes]] = set()

    def __torch_dispatch__(
        self,
        func: OpOverload,
        types: Sequence[type],
        args: tuple[object, ...] = (),
        kwargs: Mapping[str, object] | None = None,
    ) -> object:
        kwargs, rule = kwargs or {}, _rule_of(func)
        if rule is unknown:
            with self:
                parts = func.decompose(*args, **kwargs)
            if parts is not NotImplemented:
                return parts
        result = func(*args, **kwargs)
        call = Call(
            operation_name(func), named_arguments(func, args, kwargs), list(tensors_in(result))
        )
        self._follow(rule, call)
        return result

    def _follow(self, rule: Rule, call: Call) -> None:
        known, inputs = self.known, call.tensors
        self.called.update(self.names[id(t)] for t in inputs if id(t) in self.names)
        if not call.outputs or not any(id(tensor) in known.known for tensor in inputs):
            return
        known.where = self._where()
        own = all(known.of_state(tensor) for tensor in inputs if id(tensor) in known.known)
        for output, dims in zip(call.outputs, rule(known, call), strict=True):
            known.learn(output, dims, own)
            self._note(dims)
        for tensor in inputs:
            self._note(known.dims(tensor))

    def _note(self, dims: Sequence[Labels | None]) -> None:
        """Note how long dimensions of units are where the present module works with them."""
        place = self.stack[-1][0] if self.stack else ""
        for labels in dims:
            if labels is not None and not is_data(labels):
                key = (place, labels.tobytes())
                if key not in self._seen:
                    self._seen.add(key)
                    self.lengths[place].append(labels)

    def _where(self) -> str:
        name, module = self.stack[-1] if self.stack else ("", None)
        if module is None or any(True for _ in module.children()):
            return ""
        return f"{type(module).__name__} {name!r}"


def _rule_of(func: OpOverload) -> Rule:
    name = operation_name(func)
    found = RULES.get(name) or spatial(name)
    if found is None and torch.Tag.pointwise in func.tags:
        found = entry_by_entry
    return found or unknown


def _own_tensors(body: nn.Module) -> dict[str, Tensor]:
    """The tensors of a module by name, each under its first; mere numbers are left out."""
    own = (*body.named_parameters(), *body.named_buffers())
    return {name: tensor for name, tensor in own if tensor.dim()}


@contextmanager
def _places(body: nn.Module, following: _Following) -> Iterator[None]:
    """Keep the modules whose forward runs on the stack of `following`."""
    handles = []

    def enter(name: str) -> Callable[[nn.Module, object], None]:
        return lambda module, inputs: following.stack.append((name, module))

    def leave(module: nn.Module, inputs: object, outputs: object) -> None:
        following.stack.pop()

    try:
        for name, module in body.named_modules():
            handles.append(module.register_forward_pre_hook(enter(name)))
            handles.append(module.register_forward_hook(leave, always_call=True))
        yield
    finally:
        for handle in handles:
            handle.remove()
