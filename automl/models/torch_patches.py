"""Private names of torch that the package reads, each with the reason and what it waits for."""

from __future__ import annotations

from torch import Tensor, nn


def has_hooks(layer: nn.Module) -> bool:
    """Tell if someone has registered hooks on a layer.

    A layer that is replaced by another loses its hooks, and with them what a user's module may
    compute in them. Seen in torch 2.13; waits for a public way to list a module's hooks.
    """
    return bool(layer._forward_hooks or layer._forward_pre_hooks or layer._backward_hooks)


def times_changed(tensor: Tensor) -> int:
    """How often a tensor was changed in place, which one object may be between two readers.

    Tensors made in inference mode do not count that. Seen in torch 2.13; waits for a public
    name of the count.
    """
    return 0 if tensor.is_inference() else tensor._version
