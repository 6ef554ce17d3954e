"""A user's module made fit to work with: unwrapped, initialised, in fp32, one tensor as answer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, MutableMapping
from dataclasses import dataclass, field
from functools import partial
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy
from torch.nn.utils import parametrizations, remove_spectral_norm, remove_weight_norm
from torch.overrides import TorchFunctionMode
from torch.utils.weak import WeakIdKeyDictionary

from automl.errors import UserError
from automl.models.torch_patches import (
    begin_autocast_in_fp32,
    end_autocast_in_fp32,
    forget_spectral_norm,
    old_norms,
)

CASTS: dict[Callable[..., object], torch.dtype] = {
    Tensor.half: torch.float16,
    Tensor.bfloat16: torch.bfloat16,
    Tensor.double: torch.float64,
}
_NOTES: WeakKeyDictionary[nn.Module, tuple[str, ...]] = WeakKeyDictionary()
"""What the user should know of how a module was read, by the module."""
_GIVEN: MutableMapping[object, bool] = WeakIdKeyDictionary()
"""The layers with tensors, and the parameters, of the modules that were made so far."""


def notes(module: nn.Module) -> tuple[str, ...]:
    """Notes for the user of how a module was read."""
    return tuple(note for part in module.modules() for note in _NOTES.get(part, ()))


def add_note(module: nn.Module, note: str) -> None:
    """Keep a note of a module, once, if there is one to keep."""
    if note and note not in _NOTES.get(module, ()):
        _NOTES[module] = (*_NOTES.get(module, ()), note)


def unwrapped(module: nn.Module, name: str) -> nn.Module:
    """The user's own module, without what `torch.compile` or data parallelism put around it.

    Raises UserError on TorchScript, which holds no layers that could be changed.
    """
    while True:
        if isinstance(module, nn.DataParallel | nn.parallel.DistributedDataParallel):
            inner = module.module
        else:
            # torch has no public name for the class that torch.compile gives.
            inner = getattr(module, "_orig_mod", None)
        if not isinstance(inner, nn.Module):
            break
        module = inner
    for path, part in module.named_modules():
        if isinstance(part, torch.jit.ScriptModule):
            where = f"gives a module whose part {path!r}" if path else "gives a module that"
            raise UserError(f"{name} {where} is TorchScript; give the module it was made from")
    return module


def check_new(module: nn.Module, name: str) -> None:
    """Raise UserError where a layer or a parameter of a module was in one made before: a training
    of the one would change the other."""
    held: dict[str, object] = {}
    for path, part in module.named_modules():
        own = (*part.named_parameters(recurse=False), *part.named_buffers(recurse=False))
        held |= {f"layer {path!r}" if path else "module": part} if own else {}
    held |= {f"tensor {path!r}": parameter for path, parameter in module.named_parameters()}
    for what, given in held.items():
        if given in _GIVEN:
            raise UserError(f"{name} gives the same {what} each time; build it inside the function")
    _GIVEN.update(dict.fromkeys(held.values(), True))


def initialise(module: nn.Module, rows: Tensor) -> None:
    """Give lazy layers their shapes, by a dry run on rows (rows, *input shape)."""
    lazy = [p for p in (*module.parameters(), *module.buffers()) if is_lazy(p)]
    if lazy:
        was_training = module.training
        with torch.no_grad():
            module.eval()(rows.to(lazy[0].device))
        module.train(was_training)


def parametrize_norms(module: nn.Module) -> None:
    """Turn the old weight and spectral norms into the parametrized ones, which can be copied and
    taken off."""
    for layer in module.modules():
        for norm, tensor in old_norms(layer):
            if tensor == "weight" and not isinstance(layer, nn.RNNBase):
                (_parametrize_weight_norm if norm == "weight" else _parametrize_spectral_norm)(
                    layer
                )


def compute_in_fp32(module: nn.Module) -> None:
    """Have a module whose numbers are of another width computed in fp32, its own casts too; and in
    evaluation any, where it opens regions of autocast."""
    numbers = [t for t in (*module.parameters(), *module.buffers()) if t.is_floating_point()]
    kinds = {tensor.dtype for tensor in numbers}
    if torch.float32 in kinds:
        kinds &= {torch.float16, torch.bfloat16}
    if kinds:
        module.float()
        listed = " and ".join(sorted(map(_name, kinds)))
        add_note(module, f"this module is {listed}; it is computed and exported in fp32")
        _hook(module, _Fp32Casts(frozenset(kinds)))
    _hook(module, _Fp32Autocast())


def answer_with(module: nn.Module, output: str, num_outputs: int, name: str) -> None:
    """Have a module answer with one tensor (rows, outputs), whatever else its forward gives."""
    module.register_forward_hook(_Answer(output, num_outputs, name))


def _name(kind: torch.dtype) -> str:
    return str(kind).removeprefix("torch.")


def _hook(module: nn.Module, hooks: _Fp32Casts | _Fp32Autocast) -> None:
    module.register_forward_pre_hook(hooks.enter)
    module.register_forward_hook(hooks.leave, always_call=True)


def _parametrize_weight_norm(layer: nn.Module) -> None:
    size, direction = layer.get_parameter("weight_g"), layer.get_parameter("weight_v")
    # Sizes are kept along the one dimension in which their tensor is longer than 1.
    kept = max(range(size.dim()), key=lambda dim: size.shape[dim], default=-1)
    remove_weight_norm(layer)
    parametrizations.weight_norm(layer, dim=kept)
    _take_over(layer.get_parameter("parametrizations.weight.original0"), size)
    _take_over(layer.get_parameter("parametrizations.weight.original1"), direction)


def _parametrize_spectral_norm(layer: nn.Module) -> None:
    weight = layer.get_parameter("weight_orig")
    vectors = {name: layer.get_buffer(f"weight{name}") for name in ("_u", "_v")}
    remove_spectral_norm(layer)
    forget_spectral_norm(layer)
    parametrizations.spectral_norm(layer)
    _take_over(layer.get_parameter("parametrizations.weight.original"), weight)
    for name, vector in vectors.items():
        _take_over(layer.get_buffer(f"parametrizations.weight.0.{name}"), vector)


def _take_over(tensor: Tensor, before: Tensor) -> None:
    """Give a tensor the numbers of the one that it stands for."""
    tensor.data.copy_(before.data)
    tensor.requires_grad_(before.requires_grad)


@dataclass(frozen=True)
class _Answer:
    """A hook that takes the answer out of what a forward gives."""

    output: str
    num_outputs: int
    name: str

    def __call__(self, module: nn.Module, inputs: tuple[object, ...], given: object) -> Tensor:
        if isinstance(given, Tensor):
            return given
        parts = _parts(given)
        found = parts.get(self.output or "logits")
        if not self.output and found is None:
            first = parts.get("0")
            if len(parts) == 1:
                (found,) = parts.values()
            elif first is not None and tuple(first.shape[1:]) == (self.num_outputs,):
                found = first
        if found is not None:
            return found
        what = f"no output {self.output!r}" if self.output else "more than one output"
        listed = ", ".join(f"{key!r} {tuple(part.shape)}" for key, part in parts.items())
        raise UserError(
            f"{self.name} has {what}; it gives {type(given).__name__} of {listed or 'no tensors'}; "
            'name the one to take: Imported(..., output="NAME")'
        )


def _parts(given: object) -> dict[str, Tensor]:
    """The tensors that a forward gives, by their names, or by their places in a tuple."""
    named: dict[str, object] = {}
    if isinstance(given, tuple | list):
        named = {str(place): part for place, part in enumerate(given)}
        named |= {name: getattr(given, name) for name in getattr(given, "_fields", ())}
    elif isinstance(given, Mapping):
        named = {str(key): part for key, part in given.items()}
    elif hasattr(given, "__dict__"):
        named = dict(vars(given))
    return {name: part for name, part in named.items() if isinstance(part, Tensor)}


@dataclass
class _Fp32Casts:
    """Hooks around a forward, between which every cast to one of these types gives fp32."""

    kinds: frozenset[torch.dtype]
    modes: list[TorchFunctionMode] = field(default_factory=list)

    def enter(self, module: nn.Module, inputs: tuple[object, ...]) -> None:
        self.modes.append(_CastsToFp32(self.kinds))
        self.modes[-1].__enter__()  # type: ignore[no-untyped-call]

    def leave(self, module: nn.Module, inputs: tuple[object, ...], given: object) -> None:
        self.modes.pop().__exit__(None, None, None)  # type: ignore[no-untyped-call]


@dataclass
class _Fp32Autocast:
    """Hooks around a forward, between which, in evaluation, regions of autocast compute in fp32.

    In an export, casts to the types of regions that were met before give fp32, too.
    """

    kinds: set[torch.dtype] = field(default_factory=set)
    casts: list[_Fp32Casts | None] = field(default_factory=list)

    def enter(self, module: nn.Module, inputs: tuple[object, ...]) -> None:
        if module.training:
            return
        begin_autocast_in_fp32(partial(self._note, module))
        is_read = self.kinds and torch.compiler.is_exporting()
        self.casts.append(casts := _Fp32Casts(frozenset(self.kinds)) if is_read else None)
        if casts:
            casts.enter(module, inputs)

    def leave(self, module: nn.Module, inputs: tuple[object, ...], given: object) -> None:
        if not module.training:
            if casts := self.casts.pop():
                casts.leave(module, inputs, given)
            end_autocast_in_fp32()

    def _note(self, module: nn.Module, kind: torch.dtype) -> None:
        self.kinds.add(kind)
        add_note(
            module,
            f"this module computes in {_name(kind)} by autocast; but for its training it is "
            "computed and exported in fp32",
        )


class _CastsToFp32(TorchFunctionMode):
    """Reads these types as fp32 wherever a call names them."""

    def __init__(self, kinds: frozenset[torch.dtype]) -> None:
        super().__init__()
        self.kinds = kinds

    def __torch_function__(
        self,
        function: Callable[..., object],
        types: Iterable[type],
        args: tuple[object, ...] = (),
        kwargs: Mapping[str, object] | None = None,
    ) -> object:
        if CASTS.get(function) in self.kinds:
            function = Tensor.float
        named = {name: self._as_fp32(value) for name, value in (kwargs or {}).items()}
        return function(*map(self._as_fp32, args), **named)

    def _as_fp32(self, value: object) -> object:
        is_one = isinstance(value, torch.dtype) and value in self.kinds
        return torch.float32 if is_one else value
