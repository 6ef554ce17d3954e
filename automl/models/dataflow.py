"""The flow of tensors through a body, seen in one evaluation pass: which call read what."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TypeAlias

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from automl.models.deployed import device_of
from automl.models.torch_patches import times_changed

Seen: TypeAlias = tuple[int, int]
"""A tensor as it was at one time: its number in the flow, and how often it was changed before."""

ROWS = 2
"""The rows of the pass."""


@dataclass(frozen=True)
class Call:
    """A call of a module, by its name, or of a function: the tensors that it read and gave."""

    name: str
    is_module: bool
    read: tuple[Seen, ...]
    gave: tuple[Seen, ...]


@dataclass(frozen=True)
class ModuleCall(Call):
    """A call of a module: what it gave, and the calls that were made within it."""

    result: object
    within: tuple[Call, ...]


@dataclass
class Flow:
    """All calls of a pass, in their order: of single layers and of functions outside of them in
    `calls`, of every module in `modules`, by its name.

    Calls that give what they read, such as those of an identity, are left out of `calls`.
    """

    calls: list[Call] = field(default_factory=list)
    modules: dict[str, list[ModuleCall]] = field(default_factory=dict)
    tensors: dict[int, Tensor] = field(default_factory=dict)

    def seen(self, value: object) -> tuple[Seen, ...]:
        """The tensors of a value, which stay alive, so that none takes another's number."""
        found = tuple(tensors_in(value))
        self.tensors |= {id(tensor): tensor for tensor in found}
        return tuple((id(tensor), times_changed(tensor)) for tensor in found)

    def readers(self, tensor: Seen) -> list[Call]:
        """The calls that read a tensor."""
        return [call for call in self.calls if tensor in call.read]

    def only_call(self, name: str) -> ModuleCall | None:
        """The call of a module that is called once; None of any other."""
        calls = self.modules.get(name, [])
        return calls[0] if len(calls) == 1 else None


def flow_of(body: nn.Module, rows: Tensor, single: Collection[str] = ()) -> Flow:
    """The flow of the first of these rows (rows, *input shape) through a body in evaluation mode.

    Layers of torch and the modules that `single` names count as one call each, whatever they
    compute within; what TorchScript runs is not seen. Raises what the body raises.
    """
    body.eval()
    some, watch, handles = rows[:ROWS].to(device_of(body)), _Watch(), []
    try:
        for name, module in body.named_modules():
            if isinstance(module, torch.jit.ScriptModule):
                continue  # it takes no hooks
            is_single = name in single or _is_layer(module)
            begin, end = partial(watch.begin, is_single), partial(watch.end, is_single, name)
            handles.append(module.register_forward_pre_hook(begin, prepend=True, with_kwargs=True))
            handles.append(module.register_forward_hook(end, with_kwargs=True))
        with torch.no_grad(), watch:
            body(some)
    finally:
        for handle in handles:
            handle.remove()
    return watch.flow


def tensors_in(value: object) -> Iterator[Tensor]:
    """The tensors in a value, nested in tuples, lists and dictionaries."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, Mapping):
        yield from tensors_in(tuple(value.values()))
    elif isinstance(value, tuple | list):
        for part in value:
            yield from tensors_in(part)


class _Watch(TorchFunctionMode):
    """Notes in a flow the calls of modules, by their hooks, and of functions outside of layers."""

    def __init__(self) -> None:
        super().__init__()
        self.flow = Flow()
        self.begun: list[tuple[tuple[Seen, ...], int]] = []
        self.num_layers_open = 0

    def begin(
        self,
        is_single: bool,
        module: nn.Module,
        args: tuple[object, ...],
        kwargs: dict[str, object],
    ) -> None:
        self.begun.append((self.flow.seen((args, kwargs)), len(self.flow.calls)))
        self.num_layers_open += is_single

    def end(
        self,
        is_single: bool,
        name: str,
        module: nn.Module,
        args: tuple[object, ...],
        kwargs: dict[str, object],
        result: object,
    ) -> None:
        self.num_layers_open -= is_single
        (read, start), gave = self.begun.pop(), self.flow.seen(result)
        within = tuple(self.flow.calls[start:])
        self.flow.modules.setdefault(name, []).append(
            ModuleCall(name, True, read, gave, result, within)
        )
        if is_single:
            self._add(Call(name, True, read, gave))

    def __torch_function__(
        self,
        function: Callable[..., object],
        types: Iterable[type],
        args: tuple[object, ...] = (),
        kwargs: Mapping[str, object] | None = None,
    ) -> object:
        read = self.flow.seen((args, kwargs))
        result = function(*args, **(kwargs or {}))
        gave, name = self.flow.seen(result), getattr(function, "__name__", "")
        # What reads a tensor's shape alone gives no tensor; a changed part gives none either.
        if read and (gave or name == "__setitem__"):
            self._add(Call(name, False, read, gave))
        return result

    def _add(self, call: Call) -> None:
        is_idle = bool(call.gave) and set(call.gave) <= set(call.read)
        if not self.num_layers_open and not is_idle:
            self.flow.calls.append(call)


def _is_layer(module: nn.Module) -> bool:
    """Tell if a module is one of torch's that holds no others but parametrizations."""
    held = {name for name, _ in module.named_children()}
    return type(module).__module__.startswith("torch.nn.") and held <= {"parametrizations"}
