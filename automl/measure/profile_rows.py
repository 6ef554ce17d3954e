"""The rows in which people read a profile: each layer, the rest by operator, and what is left."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from automl.measure.layer_profile import LayerProfile, NodeProfile
from automl.runtimes.node_runs import Shape

THE_CALL, THE_GRAPH = "the call itself", "the graph itself"


@dataclass(frozen=True)
class ProfileRow:
    """A row: what it is, with its figures; those of all rows add up to the file's."""

    name: str
    operator: str = ""
    shapes: str = ""
    time_ms: float = 0.0
    num_bytes: int = 0
    macs: int = 0
    activation_bytes: int = 0

    @property
    def label(self) -> str:
        """The name with the operator and its shapes, for a picture."""
        operator = "" if self.operator in self.name else self.operator
        return " ".join(filter(None, (self.name, operator, self.shapes)))


def rows(profile: LayerProfile) -> list[ProfileRow]:
    """A row for each node that multiplies or is a known layer, in order, then one for each other
    operator, the slowest first, and what no node has."""
    layers = [node for node in profile.nodes if node.macs or node.layer]
    others = defaultdict[str, list[NodeProfile]](list)
    for node in profile.nodes:
        if node not in layers:
            others[node.operator].append(node)
    totals = profile.totals
    return [
        *map(_layer, layers),
        *sorted(map(_together, others.values()), key=lambda row: -row.time_ms),
        ProfileRow(THE_CALL, time_ms=totals.unattributed_ms),
        ProfileRow(THE_GRAPH, num_bytes=totals.graph_bytes),
    ]


def _layer(node: NodeProfile) -> ProfileRow:
    shapes = f"{_in_words(node.reads)} > {_in_words(node.makes)}"
    figures = node.time_ms, node.num_bytes, node.macs, node.activation_bytes
    return ProfileRow(node.name, node.operator, shapes, *figures)


def _together(nodes: Sequence[NodeProfile]) -> ProfileRow:
    """All nodes of one operator."""
    return ProfileRow(
        f"{len(nodes)} x {nodes[0].operator}",
        nodes[0].operator,
        "",
        sum(node.time_ms for node in nodes),
        sum(node.num_bytes for node in nodes),
        sum(node.macs for node in nodes),
        sum(node.activation_bytes for node in nodes),
    )


def _in_words(shape: Shape) -> str:
    return "x".join(map(str, shape)) or "one"
