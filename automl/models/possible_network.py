"""A network as a step may leave it: the least it can be, told by the shapes of its layers."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

from automl.config import canonical
from automl.data.dataset import DatasetInfo
from automl.models.family import Block, Group, ModelFamily, seen_shape
from automl.models.layer_shapes import LayerShape, NetworkShape, family_of, is_in, network_shape

MOST_NETWORKS = 24
"""That a step may leave of one by removing blocks; where more could be left, none is known."""


@dataclass(frozen=True)
class PossibleNetwork:
    """A network that the steps so far may leave, with no weight that it might lack.

    `family_text` is the canonical JSON of its family; empty where layers are no more as the
    family makes them. `expected_macs` are the multiply-accumulates for one row that are to be
    expected, not the least. A network that `may_hold_zeros` has numbers that may be 0 though no
    step of this package made them so, and zeros are packed.
    """

    info: DatasetInfo
    family_text: str
    shape: NetworkShape
    expected_macs: float
    is_trained: bool = False
    may_hold_zeros: bool = False

    @property
    def is_dense(self) -> bool:
        """Tell if weights are not 0 but where a step of this package made them so."""
        return (self.is_trained or self.shape.is_ours) and not self.may_hold_zeros

    @property
    def family(self) -> ModelFamily | None:
        return family_of(self.family_text) if self.family_text else None

    def groups(self) -> tuple[Group, ...]:
        """The widths of the family that can be cut exactly; none where there is no family."""
        return _groups(self.family_text) if self.family_text else ()

    def blocks(self) -> tuple[Block, ...]:
        """The blocks of the family of which any one can go."""
        family = self.family
        return tuple(family.blocks(seen_shape(family, self.info))) if family else ()

    def trained(self) -> PossibleNetwork:
        return replace(self, is_trained=True)

    def float_layers(self, keep: Iterable[str] = ()) -> list[LayerShape]:
        """The layers whose weights are fp32, but those that `keep` names or that stand in a
        module that it names."""
        names = tuple(keep)
        return [one for one in self.shape.layers if one.bits == 32 and not is_in(one.name, names)]

    def with_layers(self, layers: Iterable[LayerShape], family_text: str = "") -> PossibleNetwork:
        """The network with other layers, and of the same share of the expected work."""
        shape = replace(self.shape, layers=tuple(layers))
        expected = self.expected_macs * shape.macs / max(1, self.shape.macs)
        return replace(self, family_text=family_text, shape=shape, expected_macs=expected)

    def with_least_nonzero(self, counts: Mapping[str, int]) -> PossibleNetwork:
        """The network with no more weights that surely are not 0 in the layers that are named."""
        layers = [
            replace(one, least_nonzero=min(one.least_nonzero, counts[one.name]))
            if one.name in counts
            else one
            for one in self.shape.layers
        ]
        return self.with_layers(layers, self.family_text)

    def with_any_zeros(self) -> PossibleNetwork:
        """The network of which any weight may be 0."""
        return self.with_least_nonzero({layer.name: 0 for layer in self.shape.layers})

    def with_bits(self, bits: Mapping[str, float]) -> PossibleNetwork:
        """The network with these numbers of bits per weight, by the layers' names."""
        return self.with_layers(
            replace(one, bits=bits.get(one.name, one.bits)) for one in self.shape.layers
        )

    def with_embedding_bits(self, bits: float, keep: Iterable[str] = ()) -> PossibleNetwork:
        """The network with this number of bits for each number of an embedding, but of those that
        `keep` names or that stand in a module that it names."""
        names = tuple(keep)
        embeddings = tuple(
            one if is_in(one.name, names) else replace(one, bits=bits)
            for one in self.shape.embeddings
        )
        return replace(self, shape=replace(self.shape, embeddings=embeddings))

    def with_work_doubled(self) -> PossibleNetwork:
        """The network whose layers answer two rows for each that is asked."""
        layers = tuple(replace(one, macs=2 * one.macs) for one in self.shape.layers)
        shape = replace(self.shape, layers=layers, attention_macs=2 * self.shape.attention_macs)
        return replace(self, shape=shape, expected_macs=2 * self.expected_macs)

    def with_every_width(self, share: float) -> PossibleNetwork:
        """The network with the least that is left where every width may keep this share.

        What layers are built with is then not known.
        """
        layers = []
        for layer in self.shape.layers:
            cut = tuple(math.ceil(share * size) for size in layer.weight_shape[:2])
            weight_shape = (*cut, *layer.weight_shape[2:])
            numbers = math.prod(weight_shape)
            is_whole = layer.least_nonzero == layer.num_weights
            layers.append(
                replace(
                    layer,
                    built_with="",
                    weight_shape=weight_shape,
                    num_outputs=cut[0],
                    macs=layer.macs * numbers // layer.num_weights,
                    least_nonzero=numbers if is_whole else 0,
                )
            )
        return self.with_layers(layers, self.family_text)

    def as_family(self, least: ModelFamily, expected: ModelFamily) -> list[PossibleNetwork]:
        """The network as another of its family, the least that it may be and the expected one;
        none where their shapes are not known."""
        return self._as_family(canonical(least), canonical(expected))

    def without_blocks(self, count: int) -> list[PossibleNetwork]:
        """The networks that may be left without a number of blocks; none where these are too
        many, or too many networks are possible."""
        texts = _without_blocks(self.family_text, count, _seen_shape(self.family_text, self.info))
        return [after for text in texts for after in self._as_family(text, text)]

    def _as_family(self, least: str, expected: str) -> list[PossibleNetwork]:
        shapes = [_shape(text, self.info) for text in (least, expected)]
        if shapes[0] is None or shapes[1] is None:
            return []
        macs = self.expected_macs * shapes[1].macs / max(1, self.shape.macs)
        after = replace(self, family_text=least, shape=shapes[0], expected_macs=macs)
        return [after.with_any_zeros() if self.shape.is_partly_zeros else after]


def before_any_step(family: ModelFamily, info: DatasetInfo) -> list[PossibleNetwork]:
    """The untrained network of a family; none where its shape is not known."""
    text = canonical(family)
    shape = _shape(text, info)
    if shape is None:
        return []
    return [PossibleNetwork(info, text, shape, shape.macs, may_hold_zeros=family.comes_trained)]


def _shape(family_text: str, info: DatasetInfo) -> NetworkShape | None:
    shape = _seen_shape(family_text, info)
    return network_shape(family_text, shape, info.num_outputs, info.num_tokens)


def _seen_shape(family_text: str, info: DatasetInfo) -> tuple[int, ...]:
    return seen_shape(family_of(family_text), info)


@lru_cache(maxsize=4096)
def _groups(family_text: str) -> tuple[Group, ...]:
    return tuple(family_of(family_text).groups())


@lru_cache(maxsize=4096)
def _without_blocks(family_text: str, count: int, input_shape: tuple[int, ...]) -> tuple[str, ...]:
    """The families that may be left without a number of blocks."""
    reached = {family_text}
    for _ in range(count):
        reached = {
            canonical(block.without)
            for text in reached
            for block in family_of(text).blocks(input_shape)
        }
        if len(reached) > MOST_NETWORKS:
            return ()
    return tuple(sorted(reached))
