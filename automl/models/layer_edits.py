"""Changes that steps made to layers, from which the empty layers rebuild."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from automl.config import Config


class LayerEdit(Config):
    """A change that a step made to one layer, from which the empty layer rebuilds.

    It stands in `spec.layer_edits`.
    """

    def rebuild(self, layer: nn.Module) -> nn.Module:
        """The empty changed layer, given the family's own empty layer: that very object, changed
        in place, or another that then stands under each of its names."""
        raise NotImplementedError


@dataclass(frozen=True)
class TwoEdits(LayerEdit):
    """Two edits of one layer, made in this order."""

    first: LayerEdit
    second: LayerEdit

    def rebuild(self, layer: nn.Module) -> nn.Module:
        return self.second.rebuild(self.first.rebuild(layer))
