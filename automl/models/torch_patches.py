"""Private names of torch that the package reads, each with the reason and what it waits for."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch._ops import OpOverload as OpOverload
from torch.utils._python_dispatch import TorchDispatchMode as TorchDispatchMode

_ENTER_AUTOCAST = torch.autocast.__enter__


class _Autocast(threading.local):
    """Functions that a thread tells of the regions of autocast which it enters: the last alone."""

    def __init__(self) -> None:
        self.told: list[Callable[[torch.dtype], None]] = []


_AUTOCAST = _Autocast()


def begin_autocast_in_fp32(told: Callable[[torch.dtype], None]) -> None:
    """Have the regions of autocast that this thread enters compute in fp32, and `told` their types,
    until `end_autocast_in_fp32`.

    A region still takes numbers of several types together, as it does not where it is switched off;
    but an exporter knows no region in fp32. Seen in torch 2.13; waits for a public way to forbid
    autocast.
    """
    torch.autocast.__enter__ = _enter_autocast  # type: ignore[method-assign]
    _AUTOCAST.told.append(told)


def end_autocast_in_fp32() -> None:
    """End what the last `begin_autocast_in_fp32` of this thread began."""
    _AUTOCAST.told.pop()


@contextmanager
def ending_hooks() -> Iterator[None]:
    """End, with an export, what the hooks in front of a forward began: regions in fp32 and modes.

    torch calls the hooks behind a forward that raises, but not in an export, and all that follows
    in the process would compute otherwise. Seen in torch 2.13; waits for hooks that are called.
    """
    regions, modes = len(_AUTOCAST.told), torch._C._len_torch_function_stack()
    try:
        yield
    finally:
        del _AUTOCAST.told[regions:]
        while torch._C._len_torch_function_stack() > modes:
            torch._C._pop_torch_function_stack()


def _enter_autocast(region: torch.autocast) -> object:
    before = region._enabled, region.fast_dtype
    if _AUTOCAST.told and region._enabled:
        _AUTOCAST.told[-1](region.fast_dtype)
        region._enabled, region.fast_dtype = not torch.compiler.is_exporting(), torch.float32
    try:
        return _ENTER_AUTOCAST(region)  # type: ignore[no-untyped-call]
    finally:
        # A decorator enters one region again and again.
        region._enabled, region.fast_dtype = before


def has_hooks(layer: nn.Module) -> bool:
    """Tell if someone has registered hooks on a layer, which may change what it gives.

    Seen in torch 2.13; waits for a public way to list a module's hooks.
    """
    return bool(layer._forward_hooks or layer._forward_pre_hooks)


def follow_computed_weights(layer: nn.Module) -> None:
    """Have a recurrent layer read its weights by their names, some of which are computed.

    An `nn.RNNBase` keeps a list of its weights from when it was built, and a parametrization does
    not change the list. Seen in torch 2.13; waits for https://github.com/pytorch/pytorch/issues/126339.
    """
    if isinstance(layer, nn.RNNBase):
        vars(layer).pop("_flat_weights", None)
        names = property(_flat_weights, lambda layer, weights: None)
        type(layer)._flat_weights = names  # type: ignore[assignment]


def _flat_weights(layer: nn.RNNBase) -> list[Tensor]:
    return [getattr(layer, name) for name in layer._flat_weights_names]


def old_norms(layer: nn.Module) -> list[tuple[str, str]]:
    """The norms of a layer's weights that stand in hooks, as "weight" or "spectral" and a tensor's
    name.

    Seen in torch 2.13, where these are deprecated for parametrizations; waits until they are gone.
    """
    found = []
    for hook in layer._forward_pre_hooks.values():
        kind = {"WeightNorm": "weight", "SpectralNorm": "spectral"}.get(type(hook).__name__)
        if kind is not None:
            found.append((kind, str(hook.name)))  # type: ignore[attr-defined]
    return found


def forget_spectral_norm(layer: nn.Module) -> None:
    """Have a layer load its state as any other does, after `remove_spectral_norm`.

    That function leaves a hook behind which asks for the tensors of the norm. Seen in torch 2.13;
    waits until the old norm is gone.
    """
    hooks = layer._load_state_dict_pre_hooks
    for key, hook in list(hooks.items()):
        if "SpectralNorm" in type(getattr(hook, "hook", hook)).__name__:
            del hooks[key]


def times_changed(tensor: Tensor) -> int:
    """The number of times that a tensor was changed in place, as it may be between two readers.

    Tensors made in inference mode do not count that. Seen in torch 2.13; waits for a public
    name of the count.
    """
    return 0 if tensor.is_inference() else tensor._version


@contextmanager
def plain_kernels() -> Iterator[None]:
    """Have torch take the kernels that come down to its ordinary operations."""
    fast, fused = torch.backends.mha.get_fastpath_enabled(), torch._C._get_mkldnn_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    torch._C._set_mkldnn_enabled(False)  # the public setter warns of what it does not set
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)
        torch._C._set_mkldnn_enabled(fused)


def operation_name(operation: OpOverload) -> str:
    """The name of an operation of ATen, whether it changes its input or not."""
    name: str = operation._schema.name.partition("::")[2]
    return name if name.endswith("__") else name.rstrip("_")


def named_arguments(
    operation: OpOverload, args: Sequence[object], kwargs: Mapping[str, object]
) -> dict[str, object]:
    """All arguments of an operation of ATen, by name."""
    declared = operation._schema.arguments
    given = dict(zip((argument.name for argument in declared), args, strict=False))
    defaults = {a.name: a.default_value for a in declared if a.has_default_value()}
    return {**defaults, **given, **kwargs}


def unsaved_buffers(layer: nn.Module) -> set[str]:
    """The names of a layer's own buffers that are not saved with its weights."""
    return set(layer._non_persistent_buffers_set)
