"""Weights that a module computes from others, made plain: as weight norm and spectral norm do."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn
from torch.nn.utils import parametrize, remove_spectral_norm, remove_weight_norm

from automl.compression.calibration import seen_rows
from automl.compression.coded_weight import CodedWeight
from automl.compression.proof import answers_alike
from automl.models.deployed import predict
from automl.models.family import Network, copy_weights, edit_layers
from automl.models.layer_edits import LayerEdit
from automl.models.torch_patches import forget_spectral_norm, old_norms
from automl.recipe import Context

ROWS = 64


@dataclass(frozen=True)
class MadePlain(LayerEdit):
    """A layer that holds its weights as they are, where it computed them from others."""

    def rebuild(self, layer: nn.Module) -> nn.Module:
        make_plain(layer)
        return layer


def plain(network: Network, context: Context) -> Network:
    """The network in which every weight that a user's module computes is a plain weight.

    The norms of weights are learned before a compression, not after it. Where the answers would
    not be the same, the network itself.
    """
    names = [name for name, layer in network.body.named_modules() if _is_computed(layer)]
    if not names:
        return network
    rows = seen_rows(network, context, ROWS)
    predict(network, rows)  # the old norms compute a weight only when its layer is called
    made = edit_layers(network, {name: MadePlain() for name in names}).to(context.device)
    copy_weights(network, made)
    for name in names:
        source, target = (n.body.get_submodule(name) for n in (network, made))
        for tensor, parameter in target.named_parameters(recurse=False):
            parameter.data.copy_(getattr(source, tensor).detach())
    if not answers_alike(network, made.eval(), rows):
        context.notes.append(f"weights that are computed stay so: {', '.join(names)}")
        return network
    return made


def make_plain(layer: nn.Module) -> None:
    """Have a layer hold its weights as they are."""
    if parametrize.is_parametrized(layer):
        for tensor in list(layer.parametrizations):  # type: ignore[arg-type]
            parametrize.remove_parametrizations(layer, str(tensor), leave_parametrized=True)
    for norm, tensor in old_norms(layer):
        (remove_weight_norm if norm == "weight" else remove_spectral_norm)(layer, tensor)
    forget_spectral_norm(layer)


def _is_computed(layer: nn.Module) -> bool:
    if old_norms(layer):
        return True
    if not parametrize.is_parametrized(layer):
        return False
    sources = layer.get_submodule("parametrizations").children()
    return not any(
        isinstance(part, CodedWeight) for source in sources for part in source.children()
    )
