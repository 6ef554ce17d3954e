"""Private names of torch that the package reads, each with the reason and what it waits for."""

from __future__ import annotations

from torch import nn
from torch.nn.utils.spectral_norm import SpectralNormLoadStateDictPreHook


def has_hooks(layer: nn.Module) -> bool:
    """Tell if someone has registered hooks on a layer.

    A layer that is replaced by another loses its hooks, and with them what a user's module may
    compute in them. Seen in torch 2.13; waits for a public way to list a module's hooks.
    """
    return bool(layer._forward_hooks or layer._forward_pre_hooks or layer._backward_hooks)


def forget_spectral_norm(layer: nn.Module) -> None:
    """Take off the hook that `remove_spectral_norm` leaves, which refuses every later state.

    Seen in torch 2.13; waits for a `remove_spectral_norm` that takes it off.
    """
    for key, hook in list(layer._load_state_dict_pre_hooks.items()):
        if isinstance(getattr(hook, "hook", hook), SpectralNormLoadStateDictPreHook):
            del layer._load_state_dict_pre_hooks[key]
