"""Graphs of networks as torch's exporter traces them, kept for others of the same structure.

To trace a small network takes four times as long as all else about its file, and what a trace gives
depends on the network's structure alone: it is taken with tensors that have shapes and no numbers.
What looks at numbers, such as folding constants, comes after, and is done for each network anew.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping
from dataclasses import is_dataclass
from types import FunctionType
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrize import type_before_parametrizations
from torch.onnx import ONNXProgram

MOST = 64
"""So many graphs are kept, those that were asked for last."""
OF_MODULES = {"_parameters", "_buffers", "_modules"}
PLAIN = (bool, int, str, bytes, type(None), type, torch.dtype, torch.device)
LIBRARIES = ("torch", "automl")
HOOKS = "_hooks"
"""The end of the names under which a module keeps hooks by number; longer names tell of which of
them something holds."""


class _Unknown(Exception):
    """A network whose answers may depend on something that is not known to be its structure."""


class KeptGraphs:
    """The graphs that this process has traced, by structure, without the networks' numbers."""

    def __init__(self) -> None:
        self.models: OrderedDict[Hashable, Any] = OrderedDict()

    def program(
        self, module: nn.Module, asked: Hashable, trace: Callable[[], ONNXProgram]
    ) -> ONNXProgram:
        """The program of a module, not optimized: of a kept graph, or else as `trace` gives it.

        `asked` is all else that the trace depends on.
        """
        found = structure(module)
        if found is None:
            return trace()
        key, tensors = (found, asked), named_tensors(module)
        if key not in self.models:
            traced = trace()
            self._keep(key, traced, tensors)
            return traced
        self.models.move_to_end(key)
        program = ONNXProgram(self.models[key].clone(), None)
        held = program.model.graph.initializers
        program.apply_weights({n: tensor for n, tensor in tensors.items() if n in held})
        return program

    def _keep(self, key: Hashable, program: ONNXProgram, tensors: Mapping[str, Tensor]) -> None:
        model = program.model.clone()
        for name, held in model.graph.initializers.items():
            if name in tensors:
                held.const_value = None
        self.models[key] = model
        while len(self.models) > MOST:
            self.models.popitem(last=False)


def named_tensors(module: nn.Module) -> dict[str, Tensor]:
    """The parameters and buffers of a module, under each of their names."""
    parameters = module.named_parameters(remove_duplicate=False)
    return dict([*parameters, *module.named_buffers(remove_duplicate=False)])


def structure(module: nn.Module) -> Hashable:
    """All that a trace of a module can depend on; None where that cannot be told."""
    numbers: dict[int, int] = {}

    def number(part: object) -> int:
        return numbers.setdefault(id(part), len(numbers))

    tensors = [
        (name, tensor.shape, tensor.stride(), tensor.dtype, tensor.requires_grad, type(tensor))
        for name, tensor in named_tensors(module).items()
    ]
    tied = list(map(number, named_tensors(module).values()))
    try:
        parts = [
            (name, _known(type_before_parametrizations(part)), number(part), _plain(_own(part)))
            for name, part in module.named_modules(remove_duplicate=False)
        ]
    except _Unknown:
        return None
    return tuple(tensors), tuple(tied), tuple(parts)


def _own(module: nn.Module) -> dict[str, object]:
    """A module's attributes beside its tensors and parts; hooks by their order, as their numbers
    count on through a process."""
    own = {name: value for name, value in vars(module).items() if name not in OF_MODULES}
    for name, value in own.items():
        if HOOKS in name and isinstance(value, dict):
            order = list(vars(module)[name.partition(HOOKS)[0] + HOOKS])
            own[name] = {order.index(number): hook for number, hook in value.items()}
    return own


def _known(code: type | FunctionType) -> type | FunctionType:
    """Code of torch or of ours, which depends on nothing but what it is given. Raises _Unknown."""
    is_inner = isinstance(code, FunctionType) and code.__closure__ is not None
    if is_inner or code.__module__.partition(".")[0] not in LIBRARIES:
        raise _Unknown
    return code


def _plain(value: object) -> Hashable:
    """A value that equals another only if both say the same. Raises _Unknown on what may say
    more than it shows."""
    if isinstance(value, float):
        return float, value.hex()
    if isinstance(value, PLAIN):
        return type(value), value
    if isinstance(value, FunctionType):
        return _known(value)
    if isinstance(value, (list, tuple)):
        return type(value), tuple(map(_plain, value))
    if isinstance(value, (set, frozenset)):
        return type(value), frozenset(map(_plain, value))
    if isinstance(value, dict):
        return type(value), tuple((_plain(k), _plain(v)) for k, v in value.items())
    if is_dataclass(value) and not isinstance(value, type):
        return type(value), _plain(vars(value))
    raise _Unknown
