"""Readers of a layer's results, traced: where an integer convolution needs results rounded."""

from __future__ import annotations

from torch import fx, nn

from automl.compression.coded_weight import coded_weight
from automl.compression.quantized_layers import runs_on_integers
from automl.compression.rounded_inputs import INPUT
from automl.models.family import Network

PASSING = (nn.Identity, nn.ReLU, nn.MaxPool1d, nn.MaxPool2d, nn.Flatten)
"""Layers through which onnxruntime moves a rounding up to the convolution."""


def outputs_to_round(network: Network) -> dict[str, str]:
    """The convolutions on 8-bit inputs whose results no quantized layer alone reads, each with
    the ReLU directly after it, if there is one.

    On coarser inputs integer kernels would not pay: a result that they round otherwise than
    torch may fall to the other side of a step.
    """
    layers = dict(network.body.named_modules())
    names = [
        name
        for name, layer in layers.items()
        if runs_on_integers(layer) and not isinstance(layer, nn.Linear)
    ]
    try:
        graph = _Tracer().trace(network.body)
    except Exception:
        # A module whose forward cannot be followed: rounding every result is right, too.
        return dict.fromkeys(names, "")
    found = {}
    for node in graph.nodes:
        if node.op == "call_module" and node.target in names:
            needed, relu = _follow(node, layers)
            if needed:
                found[str(node.target)] = relu
    return found


class _Tracer(fx.Tracer):
    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        is_leaf: bool = super().is_leaf_module(m, module_qualified_name)
        return is_leaf or coded_weight(m) is not None


def _follow(node: fx.Node, layers: dict[str, nn.Module]) -> tuple[bool, str]:
    """Tell if a node's results need rounding, and name the ReLU that would be part of that."""
    relu, is_next = "", True
    while True:
        users = list(node.users)
        module = layers.get(str(users[0].target)) if users[0].op == "call_module" else None
        if len(users) != 1 or module is None:
            return True, relu
        if INPUT in dict(module.named_children()):
            return False, relu
        if not isinstance(module, PASSING):
            return True, relu
        if isinstance(module, nn.ReLU) and is_next:
            relu = str(users[0].target)
        is_next = is_next and isinstance(module, nn.Identity)
        node = users[0]
