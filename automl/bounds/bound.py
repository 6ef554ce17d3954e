"""What a trial's file holds at least, and what work its steps are, told before any training."""

from __future__ import annotations

import json
import math
import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from automl.bounds.after_step import Left, possible, untrained
from automl.bounds.shapes import Layer
from automl.compression.calibration import STATISTICS_ROWS
from automl.compression.prune import Prune
from automl.compression.quantization_grid import LIMITS
from automl.compression.quantize import Quantize
from automl.config import canonical
from automl.data import dataset
from automl.data.dataset import Column, DatasetInfo
from automl.export import sparse
from automl.export.onnx import OPSET
from automl.recipe import Sibling, Step
from automl.space.space import TrialConfig
from automl.space.store_keys import sibling_config
from automl.training.distillation import Joint, Mutual
from automl.training.loop import Train

PASSES = 3
"""What training takes of each row, in forward passes: one, and a backward one of two."""

CODES_NOT_ZERO = 3 / 4
"""Of 8-bit weights: 0.93 and more were measured, with strong weight decay too."""


def _node_bytes(kind: str, inputs: str, **attributes: Any) -> int:
    """Those of a node in a file, with the shortest names."""
    return int(onnx.helper.make_node(kind, [*inputs], ["y"], **attributes).ByteSize()) + 2


TENSOR = int(onnx.numpy_helper.from_array(np.zeros(1, np.uint8), "x").ByteSize()) + 1
"""What a tensor takes in a file beside its numbers, with the shortest name."""

OPERATOR = _node_bytes("Conv", "xw")
SCALING = min(
    _node_bytes("DequantizeLinear", "xs", axis=0),
    _node_bytes("Cast", "x", to=1) + _node_bytes("Mul", "xs"),
)
UNPACKING = (
    _node_bytes("Cast", "x", to=6) + _node_bytes("Gather", "tx") + _node_bytes("Reshape", "xs")
) + (TENSOR + 16)
NODES = {bits: SCALING + UNPACKING * (bits < 8) for bits in LIMITS}
"""The bytes of the nodes that turn a layer's codes into weights, by their bits."""


@dataclass(frozen=True)
class Bound:
    """`size_bytes` and `macs`, the products for one row, are lower bounds; 0 where nothing is
    known. `steps` estimates each step's work in products, a sibling's as "label.teacher"."""

    size_bytes: int
    macs: int
    steps: dict[str, int]


def bound(config: TrialConfig, info: DatasetInfo, num_rows: int) -> Bound:
    """What is known of a trial on `num_rows` training rows.

    A step that is none of this package may do anything: after it nothing is certain.
    """
    lefts, work, by_label = untrained(canonical(config.model), info), {}, dict[str, float]()
    macs = _likely(lefts, 0.0)
    for step in config.recipe:
        if isinstance(step.teacher, Sibling):
            taught = bound(sibling_config(config, step.teacher), info, num_rows)
            teachers = float(taught.macs)
            work[f"{step.label}.teacher"] = sum(taught.steps.values())
        else:
            teachers = by_label.get(step.teacher, 0.0)
        lefts = [after for left in lefts for after in possible(step, left)]
        before, macs = macs, _likely(lefts, macs)
        by_label[step.label] = macs
        work[step.label] = round(_work(step, before, macs, teachers, num_rows))
    return Bound(
        size_bytes=min(map(_num_bytes, lefts), default=0),
        macs=min((left.layout.macs for left in lefts), default=0),
        steps=work,
    )


class Bounds:
    """What is known of a config before any work, kept as long as the config itself is; its dataset
    is read once."""

    def __init__(self, cache: Path) -> None:
        self.cache = cache
        self.known: dict[tuple[str, int], tuple[DatasetInfo, int]] = {}
        self.bounds: dict[int, Bound] = {}

    def __call__(self, config: TrialConfig) -> Bound:
        found = self.bounds.get(id(config))
        if found is None:
            found = self.bounds[id(config)] = self._bound(config)
            weakref.finalize(config, self.bounds.pop, id(config), None).atexit = False
        return found

    def _bound(self, config: TrialConfig) -> Bound:
        key = (canonical(config.dataset), config.seed)
        if key not in self.known:
            data = dataset.load(config.dataset, config.seed, self.cache)
            self.known[key] = data.info, len(data.train.targets)
        return bound(config, *self.known[key])


def _likely(lefts: Sequence[Left], otherwise: float) -> float:
    return sum(left.likely for left in lefts) / len(lefts) if lefts else otherwise


def _work(step: Step, before: float, after: float, teachers: float, num_rows: int) -> float:
    """An estimate of the products that a step takes."""
    work = STATISTICS_ROWS * before if step.compresses else 0.0
    if isinstance(step, Prune) and before > after > 0:
        epochs = step.fine_tune_epochs * math.log2(before / after)
        work += epochs * num_rows * (PASSES * (before + after) / 2 + teachers)
    training = step.aware_training() if isinstance(step, Quantize) else step
    if isinstance(training, Train):
        alongside = 1.0
        if isinstance(training.loss, Mutual):
            alongside += training.loss.peers
        if isinstance(training.loss, Joint):
            alongside += training.loss.width_factor**2
        work += training.epochs * num_rows * (PASSES * alongside * after + teachers)
    return work


def _num_bytes(left: Left) -> int:
    info, numbers = left.info, left.layout.beside + left.layout.norms * left.trained
    frame = _frame(info.classes, info.columns, info.num_outputs)
    return (
        frame
        + 4 * numbers * left.is_dense
        + sum(_layer_bytes(layer, left) for layer in left.layout.layers)
    )


def _layer_bytes(layer: Layer, left: Left) -> int:
    if not layer.certain:
        return 0
    kept, count, outputs = layer.kept * left.is_dense, layer.weights, layer.outputs
    least = OPERATOR + TENSOR
    if layer.bits == 32:
        least += sparse.least_bytes(count, kept, 4)
    else:
        least += TENSOR + 4 * outputs + (NODES[layer.bits] if layer.plain else 0)
        if layer.bits == 8:
            least += sparse.least_bytes(count, int(CODES_NOT_ZERO * kept), 1)
        else:
            least += -(-count * layer.bits // 8)
    if layer.has_bias and left.trained and left.is_dense:
        least += TENSOR + sparse.least_bytes(outputs, int(CODES_NOT_ZERO * outputs), 4)
    return least


@lru_cache(maxsize=64)
def _frame(classes: tuple[str, ...], columns: tuple[Column, ...], num_outputs: int) -> int:
    """The bytes of what a file is around its nodes and numbers."""
    kind = onnx.TensorProto.FLOAT
    row, answers = (
        onnx.helper.make_tensor_value_info(name, kind, ["b", size])
        for name, size in (("input", 1), ("logits", num_outputs))
    )
    opset = onnx.helper.make_opsetid("", OPSET)
    graph = onnx.helper.make_graph([], "g", [row], [answers])
    model = onnx.helper.make_model(graph, opset_imports=[opset])
    if classes:
        model.metadata_props.add(key="classes", value=json.dumps(classes))
    if columns:
        named = {column.name: column.categories for column in columns}
        model.metadata_props.add(key="columns", value=json.dumps(named))
    return int(model.ByteSize())
