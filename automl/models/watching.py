"""Hooks that watch layers while a body of code runs, and are gone when it ends."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import TypeAlias

from torch import Tensor, nn

Note: TypeAlias = Callable[[str, nn.Module, tuple[Tensor, ...], Tensor], None]
"""Takes a layer's name, the layer, what it was called with in its order, and what it gave."""


@contextmanager
def watching(layers: Mapping[str, nn.Module], note: Note) -> Iterator[None]:
    """Call `note` after each call of one of the layers, until the body ends or raises."""
    handles = []
    try:
        for name, layer in layers.items():
            called = partial(_called, note, name)
            handles.append(layer.register_forward_hook(called, with_kwargs=True))
        yield
    finally:
        for handle in handles:
            handle.remove()


def _called(
    note: Note,
    name: str,
    layer: nn.Module,
    inputs: tuple[Tensor, ...],
    named: Mapping[str, Tensor],
    outputs: Tensor,
) -> None:
    note(name, layer, (*inputs, *named.values()), outputs)
