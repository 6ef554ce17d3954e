"""What the steps of a recipe leave of a network at least, told by its layers' shapes alone."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache, singledispatch
from typing import Any

from automl.bounds.shapes import Layer, Layout, factors, layout, model_of
from automl.compression.binarize import Binarize
from automl.compression.clip import Clip
from automl.compression.factorize import Factorize
from automl.compression.prune import Prune
from automl.compression.quantize import Quantize
from automl.compression.remove_layers import RemoveLayers
from automl.config import canonical, parts
from automl.data.dataset import DatasetInfo
from automl.errors import Rejected
from automl.models.family import Group
from automl.models.imported import Imported
from automl.recipe import Step
from automl.training.loop import Train

LIKELY_SHARE = 1 / 2
"""Of a network's products, after a low rank by its energy."""

MOST_MODELS = 24
"""That `RemoveLayers` may leave; where it could leave more, nothing is told."""


@dataclass(frozen=True)
class Left:
    """A network that the steps so far may leave, with no weight that it might lack.

    `text` is its family's; empty where layers are no more as the family makes them. `likely`
    are the products for one row that are to be expected, not the least. `any_zeros`: numbers
    may be 0 that no step of ours made so, and zeros are packed.
    """

    info: DatasetInfo
    text: str
    layout: Layout
    likely: float
    trained: bool = False
    any_zeros: bool = False

    @property
    def is_dense(self) -> bool:
        """Whether weights are not 0 but where a step made them so."""
        return (self.trained or self.layout.is_ours) and not self.any_zeros

    def with_layers(self, layers: Iterable[Layer], text: str = "") -> Left:
        after = replace(self.layout, layers=tuple(layers))
        likely = self.likely * after.macs / max(1, self.layout.macs)
        return replace(self, text=text, layout=after, likely=likely)

    def with_kept(self, kept: Mapping[str, int]) -> Left:
        """With no more weights that are not 0 in the layers that are named."""
        layers = [
            replace(layer, kept=min(layer.kept, kept.get(layer.name, layer.kept)))
            for layer in self.layout.layers
        ]
        return self.with_layers(layers, self.text)


def untrained(text: str, info: DatasetInfo) -> list[Left]:
    found = layout(text, info.input_shape, info.num_outputs, info.num_tokens)
    if found is None:
        return []
    model = model_of(text)
    comes_trained = isinstance(model, Imported) and bool(model.weights)
    return [Left(info, text, found, found.macs, any_zeros=comes_trained)]


def possible(step: Step, left: Left) -> list[Left]:
    """What a step may leave of a network; nothing where that is not known, or is nothing that
    could be exported."""
    if not _is_ours(step):
        return []
    try:
        after = _after(step, left)
    except Rejected:
        return []
    # An optimizer or a loss of the user's own may leave any number at 0.
    own = not all(map(_is_ours, parts(step)))
    return [replace(one, any_zeros=one.any_zeros or own) for one in after]


def _is_ours(part: Any) -> bool:
    return type(part).__module__.startswith("automl.")


@singledispatch
def _after(step: Step, left: Left) -> list[Left]:
    return []


@_after.register
def _trained(step: Train, left: Left) -> list[Left]:
    return [replace(left, trained=True)]


@_after.register
def _shallower(step: RemoveLayers, left: Left) -> list[Left]:
    if not left.text:
        return []
    able = len(model_of(left.text).blocks(left.info.input_shape))
    texts = _without_blocks(left.text, step.number(able), left.info.input_shape)
    return [after for text in texts for after in _refitted(left, text, text)]


@_after.register
def _narrower(step: Prune, left: Left) -> list[Left]:
    if not left.text:
        return []
    model = model_of(left.text)
    if isinstance(model, Imported):
        return [_narrower_imported(step, left)]
    if not (groups := _groups(left.text)):
        return []
    least, even = (
        canonical(model.with_widths(widths))
        for widths in (step.least_widths(groups), step.even_widths(groups))
    )
    return _refitted(left, least, even)


@_after.register
def _factorised(step: Factorize, left: Left) -> list[Left]:
    if not all(layer.plain for layer in left.layout.layers):
        return []
    layers: list[Layer] = []
    for layer in left.layout.layers:
        stays = layer.bits < 32 or layer.in_any(step.keep) or not layer.seen
        made = () if stays else factors(step.at_least_ranks(), layer.name, layer.plain, layer.seen)
        if made and step.knows_ranks:
            last = replace(made[-1], has_bias=made[-1].has_bias or layer.has_bias)
            made = tuple(replace(one, certain=layer.certain) for one in (*made[:-1], last))
        elif made:
            numbers = sum(one.weights for one in made)
            macs = min(layer.macs, sum(one.macs for one in made))
            made = (replace(layer, plain="", shape=(numbers,), kept=numbers, macs=macs),)
        layers += made or (layer,)
    after = left.with_layers(layers)
    if any(layer.kept < layer.weights for layer in left.layout.layers):
        after = after.with_kept({layer.name: 0 for layer in layers})
    if step.knows_ranks:
        return [after]
    return [replace(after, likely=left.likely * (step.average_share or LIKELY_SHARE))]


@_after.register
def _clipped(step: Clip, left: Left) -> list[Left]:
    layers = [one for one in left.layout.layers if one.bits == 32 and not one.in_any(step.keep)]
    if not left.is_dense or not all(layer.plain for layer in layers):
        return [left.with_kept({layer.name: 0 for layer in layers})]
    return [left.with_kept(step.least({layer.name: layer.shape for layer in layers}))]


@_after.register
def _binarized(step: Binarize, left: Left) -> list[Left]:
    layers = [one for one in left.layout.layers if one.bits == 32 and not one.in_any(step.keep)]
    if not step.ends and all(layer.plain for layer in layers):
        layers = layers[1:-1]
    trained = replace(left, trained=True)
    return [trained.with_layers(_in_bits(left, {layer.name: 1 for layer in layers}))]


@_after.register
def _quantized(step: Quantize, left: Left) -> list[Left]:
    layers = [one for one in left.layout.layers if one.bits == 32 and one.can_be_integers]
    names = [layer.name for layer in layers]
    if not names:
        return []
    if step.average_bits:
        # Each may come to have 1 bit, and none is certain to.
        whole = left.with_layers(replace(one, plain="") for one in left.layout.layers)
        return [whole.with_layers(_in_bits(whole, dict.fromkeys(names, 1)))]
    if all(layer.plain for layer in layers):
        return [left.with_layers(_in_bits(left, step.given_widths(names)))]
    fewest = min(step.layer_bits or (step.bits,))
    return [left.with_layers(_in_bits(left, dict.fromkeys(names, fewest)))]


def _in_bits(left: Left, bits: Mapping[str, int]) -> list[Layer]:
    return [replace(one, bits=bits.get(one.name, one.bits)) for one in left.layout.layers]


def _refitted(left: Left, least: str, likely: str) -> list[Left]:
    """The network as another of its family, given the text of the least and of the likely one."""
    info = left.info
    after, other = untrained(least, info), untrained(likely, info)
    if not after or not other:
        return []
    expected = left.likely * other[0].layout.macs / max(1, left.layout.macs)
    made = replace(left, text=least, layout=after[0].layout, likely=expected)
    if any(layer.kept < layer.weights for layer in left.layout.layers):
        return [made.with_kept({layer.name: 0 for layer in made.layout.layers})]
    return [made]


def _narrower_imported(step: Prune, left: Left) -> Left:
    """Which of the widths can be cut is not known: each as if it could, none more than by half
    a multiple beyond its fraction."""
    share = ((1 - step.fraction) / 2 if step.scope == "layer" else 1 / 4) ** step.rounds
    layers = []
    for layer in left.layout.layers:
        cut = tuple(math.ceil(share * size) for size in layer.shape[:2])
        shape = (*cut, *layer.shape[2:])
        numbers = math.prod(shape)
        layers.append(
            replace(
                layer,
                plain="",
                shape=shape,
                outputs=cut[0],
                macs=layer.macs * numbers // layer.weights,
                kept=numbers if layer.kept == layer.weights else 0,
            )
        )
    after = left.with_layers(layers, left.text)
    return replace(after, likely=left.likely * (1 - step.fraction) ** 2)


@lru_cache(maxsize=4096)
def _groups(text: str) -> tuple[Group, ...]:
    return tuple(model_of(text).groups())


@lru_cache(maxsize=4096)
def _without_blocks(text: str, count: int, input_shape: tuple[int, ...]) -> tuple[str, ...]:
    """The families that may be left without so many blocks; none where they are too many."""
    reached = {text}
    for _ in range(count):
        reached = {
            canonical(block.without)
            for found in reached
            for block in model_of(found).blocks(input_shape)
        }
        if len(reached) > MOST_MODELS:
            return ()
    return tuple(sorted(reached))
