"""A file whose nodes bear numbers, so that what a runtime makes of them can be traced back."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import onnx
from onnx import ModelProto, NodeProto, TensorProto
from onnx.inliner import inline_local_functions

from automl.export.graph_names import bodies, reads, rename

NUMBER = re.compile(r"<(\d+)>")
Attributes = Mapping[str, object]


@dataclass(frozen=True)
class NumberedGraph:
    """A graph whose nodes are named "<0>", "<1>", and so are the values that they make.

    `nodes` are all, those in branches and loops behind the node that runs them: `top` is the
    number of that node, its own for the nodes of the graph itself. `renamed` are the new names
    of values by their old ones.
    """

    model: ModelProto
    nodes: tuple[NodeProto, ...]
    top: tuple[int, ...]
    renamed: Mapping[str, str]

    @property
    def file(self) -> bytes:
        """The file as a runtime loads it."""
        file: bytes = self.model.SerializeToString()
        return file

    def attributes(self, number: int) -> Attributes:
        """The attributes of a node, by name."""
        found = self.nodes[number].attribute
        return {one.name: onnx.helper.get_attribute_value(one) for one in found}

    @cached_property
    def tensors(self) -> dict[str, TensorProto]:
        """The tensors that the graph holds, by the name of their value."""
        held = {tensor.name: tensor for tensor in self.model.graph.initializer}
        for node in self.model.graph.node:
            for attribute in node.attribute:
                if node.op_type == "Constant" and attribute.HasField("t"):
                    held[node.output[0]] = attribute.t
        return held

    @cached_property
    def behind(self) -> dict[str, list[str]]:
        """The tensors behind each value that no input changes, and the values on the way."""
        found = {name: [name] for name in self.tensors}
        for node in self.model.graph.node:
            read = sorted(reads(node) - {""})
            if all(name in found for name in read):
                way = [part for name in read for part in found[name]]
                for output in node.output:
                    found.setdefault(output, [output, *way])
        return found

    @cached_property
    def dynamic(self) -> list[int]:
        """The numbers of the nodes that run at every call: an input changes what they make."""
        numbers = dict.fromkeys(self.top)
        return [n for n in numbers if not all(o in self.behind for o in self.nodes[n].output)]

    @cached_property
    def weights(self) -> dict[int, list[str]]:
        """The values behind what each node reads that no input changes, the first reader first."""
        found: dict[int, list[str]] = {}
        taken = set[str]()
        for number in self.dynamic:
            read = sorted(reads(self.nodes[number]))
            names = [n for name in read for n in self.behind.get(name, [])]
            found[number] = [n for n in dict.fromkeys(names) if n not in taken]
            taken.update(found[number])
        return found

    def num_bytes(self, number: int) -> int:
        """The bytes that the weights of a node take in the file; of tensors that several nodes
        read, they are counted with the first."""
        own = self.weights.get(number, [])
        return sum(self.tensors[name].ByteSize() for name in own if name in self.tensors)

    def places(self, ran: Sequence[tuple[str, str]]) -> dict[int, int]:
        """The position, among the nodes that ran, of the one that does each node's work.

        Of what ran, the names and those of its outputs are told. A node that was joined to another
        is found where its values go to, else come from, else at the first that bears no number.
        """
        known: dict[int, int] = {}
        for names in zip(*ran):
            for position, name in enumerate(names):
                for number in map(int, NUMBER.findall(name)):
                    known.setdefault(self.top[number], position)
        unnamed = (at for at, names in enumerate(ran) if not NUMBER.search("".join(names)))
        otherwise = next(unnamed, 0)
        readers, makers = self._neighbours()
        for order in (self.dynamic[::-1], self.dynamic):
            for number in order:
                for other in (*readers.get(number, []), *makers.get(number, [])):
                    if number not in known and other in known:
                        known[number] = known[other]
        return {number: known.get(number, otherwise) for number in self.dynamic}

    def _neighbours(self) -> tuple[dict[int, list[int]], dict[int, list[int]]]:
        """The nodes that read what each node makes, and the nodes that make what it reads."""
        made = {o: number for number in self.dynamic for o in self.nodes[number].output}
        makers = {
            number: [made[name] for name in reads(self.nodes[number]) if name in made]
            for number in self.dynamic
        }
        readers: dict[int, list[int]] = {}
        for number, own in makers.items():
            for maker in own:
                readers.setdefault(maker, []).append(number)
        return readers, makers


def numbered(model: ModelProto) -> NumberedGraph:
    """A graph with numbers for names; those of its inputs and tensors stay.

    The nodes of functions stand in the place of each call, so that they bear numbers, too.
    """
    own = inline_local_functions(model)
    found: list[tuple[NodeProto, int]] = []
    _number(own.graph.node, None, found)
    names: dict[str, str] = {}
    for number, (node, top) in enumerate(found):
        node.name = f"<{number}>"
        if top == number:
            names |= {output: f"<{number}>{k}" for k, output in enumerate(node.output) if output}
    rename(own.graph, lambda name: names.get(name, name))
    return NumberedGraph(
        own, tuple(node for node, _ in found), tuple(top for _, top in found), names
    )


def _number(
    nodes: Iterable[NodeProto], top: int | None, found: list[tuple[NodeProto, int]]
) -> None:
    """Append the nodes, each followed by those that it runs, with the number of the topmost."""
    for node in nodes:
        own = len(found) if top is None else top
        found.append((node, own))
        for graph in bodies(node):
            _number(graph.node, own, found)
