"""Networks whose tensors have shapes and no numbers."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from automl.models.family import ModelFamily, Network, Spec
from automl.models.imported import Imported

EMPTY = "meta"
"""The device on which tensors have shapes and no numbers."""

FAMILIES = "automl.models."


def is_ours(family: ModelFamily) -> bool:
    """True of a family of this package that builds no module of the user's."""
    return type(family).__module__.startswith(FAMILIES) and not isinstance(family, Imported)


def empty_network(spec: Spec) -> Network:
    """The network of a spec, on the device EMPTY; a module of the user's may raise anything."""
    if is_ours(spec.model):
        with torch.device(EMPTY):
            return Network(spec)
    with torch.random.fork_rng(devices=[]), _EmptyLayers():
        network = Network(spec)
    _empty_parameters(network)
    return network.to(EMPTY)


class _EmptyLayers(TorchFunctionMode):
    """Has torch's own layers begin without numbers, which take most of the time of a module.

    All else is made as ever: what a user's function keeps in a cache, such as a table of
    positions, is there for a network with numbers, too.
    """

    def __torch_function__(
        self,
        function: Callable[..., Tensor],
        types: Iterable[type],
        args: tuple[object, ...] = (),
        kwargs: Mapping[str, object] | None = None,
    ) -> Tensor:
        named = {**(kwargs or {})}
        if function is torch.empty and named.get("device") is None:
            frame = inspect.currentframe()
            caller = frame.f_back if frame else None
            if caller and str(caller.f_globals.get("__name__")).startswith("torch.nn."):
                named["device"] = EMPTY
        return function(*args, **named)


def _empty_parameters(network: nn.Module) -> None:
    """Take the numbers from parameters; `Module.to` alone would part those that are shared."""
    empty: dict[nn.Parameter, nn.Parameter] = {}
    for module in network.modules():
        for name, own in [*module.named_parameters(recurse=False, remove_duplicate=False)]:
            if own.device.type != EMPTY:
                new = nn.Parameter(own.detach().to(EMPTY), own.requires_grad)
                setattr(module, name, empty.setdefault(own, new))
