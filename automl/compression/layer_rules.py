"""Rules by which labels of units go through what layers do: products, norms, pools, attention."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from torch import Tensor

from automl.compression.unit_labels import Dims, Labels, data, is_data, join_all
from automl.compression.unit_rules import Call, Followed, Rule, entry_by_entry, rule, unknown

SPATIAL = re.compile(
    r"_?(adaptive_|fractional_)?(max_pool|avg_pool|upsample_\w+|reflection_pad|replication_pad"
    r"|grid_sampler_)(\d)d?\w*"
)
"""Operations that change the last dimensions only; the digit says how many."""


def spatial(name: str) -> Rule | None:
    """The rule of an operation on the last dimensions; None for any other."""
    found = SPATIAL.fullmatch(name)
    if found is None:
        return None
    count = int(found[3])

    def keep_the_first(known: Followed, call: Call) -> list[Dims]:
        dims = known.dims(call.tensors[0])
        for labels in dims[-count:]:
            known.fix(labels, f"{call.name!r} in forward")
        return [[*dims[:-count], *map(data, out.shape[-count:])] for out in call.outputs]

    return keep_the_first


@rule("mm", "bmm", "addmm", "baddbmm", "mv", "addmv", "dot", "linear")
def _product(known: Followed, call: Call) -> list[Dims]:
    *added, a, b = call.tensors
    if call.name == "linear":
        a, b, *added = call.tensors
    left, right = known.dims(a), known.dims(b)
    rows = right[::-1] if call.name == "linear" else right
    inner = rows[-2] if len(rows) > 1 else rows[0]
    known.contract(left[-1], inner, known.of_state(a), known.of_state(b))
    batch = [join_all(known.units, left[:1] + right[:1])] if len(left) == len(right) == 3 else []
    middle = left[:-1] if call.name == "linear" else left[-2:-1]
    dims = [*batch, *middle, *([rows[-1]] if len(rows) > 1 else [])]
    if known.of_state(a) != known.of_state(b):
        own = left[-2:-1] if known.of_state(a) else dims[-1:]
        known.made += [labels for labels in own if labels is not None]
    for tensor in added:
        for place, labels in enumerate(reversed(known.dims(tensor)), 1):
            if labels is not None:
                dims[-place] = join_all(known.units, (dims[-place], labels))
    return [dims]


@rule("convolution", "_convolution")
def _convolution(known: Followed, call: Call) -> list[Dims]:
    inputs, weight, (output,) = call["input"], call["weight"], call.outputs
    read, own = known.dims(inputs), known.dims(weight)
    made, taken = (own[1], own[0]) if call["transposed"] else (own[0], own[1])
    for labels in (*read[2:], *own[2:]):
        known.units.fix(labels, "")
    if call["groups"] == 1:
        known.contract(read[1], taken, known.of_state(inputs), known.of_state(weight))
    elif call["transposed"]:
        for labels in (read[1], *own):
            known.fix(labels, "groups of a transposed convolution")
        made = data(output.shape[1])
    elif made is not None:
        _grouped(known, call["groups"], read[1], weight, made, taken)
    if made is not None:
        known.made.append(made)
    dims: Dims = [read[0], made, *map(data, output.shape[2:])]
    if call["bias"] is not None:
        dims[1] = join_all(known.units, (made, *known.dims(call["bias"])))
    return [dims]


def _grouped(
    known: Followed,
    groups: int,
    read: Labels | None,
    weight: Tensor,
    made: Labels,
    taken: Labels | None,
) -> None:
    """Whole groups go, or as many units of each group."""
    if read is None:
        known.fix(made, "groups of a convolution")
        return
    outputs, inputs = made.reshape(groups, -1), read.reshape(groups, -1)
    if known.outer or taken is None:
        known.whole_groups.append(weight)
        known.units.fix(taken, "")
        table = np.concatenate([outputs, inputs], axis=1)
        for column in range(1, table.shape[1]):
            known.units.join(table[:, 0], table[:, column])
        return
    for row in outputs[1:]:
        known.units.join(outputs[0], row)
    for row in inputs:
        known.contract(row, taken, False, known.of_state(weight))


@rule("embedding")
def _embedding(known: Followed, call: Call) -> list[Dims]:
    table, numbers = known.dims(call["weight"]), call["indices"]
    known.units.fix(table[0], "")
    known.made += [labels for labels in table[1:] if labels is not None]
    return [[*known.dims(numbers), table[1]]]


@rule("index")
def _index(known: Followed, call: Call) -> list[Dims]:
    """Indices stand in the place of the dimensions beside each other that they index."""
    dims, chosen = known.dims(call["self"]), call["indices"]
    places = [place for place, index in enumerate(chosen) if index is not None]
    for place in places:
        known.fix(dims[place], "an index in forward")
    first, last = places[0], places[-1]
    longest = max((chosen[place] for place in places), key=lambda index: int(index.dim()))
    result = [*dims[:first], *known.dims(longest), *dims[last + 1 :]]
    beside = len(places) == last - first + 1
    return [result] if beside and len(result) == call.outputs[0].dim() else unknown(known, call)


@rule("native_batch_norm", "_native_batch_norm_legit_no_training", "_native_batch_norm_legit")
def _batch_norm(known: Followed, call: Call) -> list[Dims]:
    inputs, *own = call.tensors
    dims = known.dims(inputs)
    dims[1] = join_all(known.units, [dims[1], *(known.dims(tensor)[0] for tensor in own)])
    return [dims, *_no_units(call.outputs[1:])]


@rule("native_layer_norm", "_fused_rms_norm")
def _layer_norm(known: Followed, call: Call) -> list[Dims]:
    inputs, *own = call.tensors
    dims = known.dims(inputs)
    count = len(call["normalized_shape"])
    for place in range(1, count + 1):
        labels = join_all(known.units, [dims[-place], *(known.dims(t)[-place] for t in own)])
        known.fix(labels, "a layer norm")
    return [dims, *_no_units(call.outputs[1:])]


@rule("native_group_norm")
def _group_norm(known: Followed, call: Call) -> list[Dims]:
    """Whole groups go, as each is scaled by its own statistics."""
    inputs, *own = call.tensors
    dims = known.dims(inputs)
    dims[1] = join_all(known.units, [dims[1], *(known.dims(tensor)[0] for tensor in own)])
    if call["group"] == 1:
        known.fix(dims[1], "a group norm of one group")
    elif dims[1] is not None:
        groups = dims[1].reshape(call["group"], -1)
        for column in range(1, groups.shape[1]):
            known.units.join(groups[:, 0], groups[:, column])
    return [dims, *_no_units(call.outputs[1:])]


@rule("_softmax", "_log_softmax", "_safe_softmax", "cumsum", "cumprod", "flip", "roll", "sort")
def _mixed(known: Followed, call: Call) -> list[Dims]:
    """Units along these dimensions are mixed, or their order is used."""
    dims = known.dims(call.tensors[0])
    for axis in call.axes("dims" if "dims" in call.args else "dim"):
        known.fix(dims[axis], f"{call.name.strip('_')!r} in forward")
    return [dims for _ in call.outputs]


@rule("sum", "mean", "amax", "amin", "max", "min", "var", "std", "prod", "argmax", "argmin")
def _reduced(known: Followed, call: Call) -> list[Dims]:
    """A sum has one summand less without a unit; all else depends on their number."""
    source = call.tensors[0]
    if call.name in ("max", "min") and len(call.tensors) > 1:
        return entry_by_entry(known, call)
    dims, axes = known.dims(source), call.axes()
    for axis in axes:
        if call.name != "sum" and not is_data(dims[axis]):
            known.fix(dims[axis], f"{call.name!r} in forward")
    return [_without(dims, axes, out) for out in call.outputs]


@rule("linalg_vector_norm", "norm")
def _norm(known: Followed, call: Call) -> list[Dims]:
    return [_without(known.dims(call.tensors[0]), call.axes(), out) for out in call.outputs]


def _without(dims: Dims, axes: Sequence[int], output: Tensor) -> Dims:
    if output.dim() == len(dims):
        return [None if axis in axes else labels for axis, labels in enumerate(dims)]
    return [labels for axis, labels in enumerate(dims) if axis not in axes]


@rule("constant_pad_nd")
def _padded(known: Followed, call: Call) -> list[Dims]:
    dims, (output,) = known.dims(call.tensors[0]), call.outputs
    for number in range(len(call["pad"]) // 2):
        if any(call["pad"][2 * number : 2 * number + 2]):
            known.fix(dims[-1 - number], "a padding of the units")
            dims[-1 - number] = data(output.shape[-1 - number])
    return [dims]


@rule(
    "_scaled_dot_product_flash_attention_for_cpu",
    "_scaled_dot_product_flash_attention",
    "_scaled_dot_product_efficient_attention",
)
def _attention(known: Followed, call: Call) -> list[Dims]:
    """Heads go together; what a head compares stays, since its number scales the products."""
    query, key, value = (known.dims(call[name]) for name in ("query", "key", "value"))
    mask = known.dims(call.args.get("attn_mask"))
    heads = join_all(known.units, [query[1], key[1], value[1], *mask[-3:-2]])
    join_all(known.units, (query[3], key[3]))
    if call.args.get("scale") is None:
        known.fix(query[3], "the scale of an attention")
    return [[query[0], heads, query[2], value[3]], *_no_units(call.outputs[1:])]


def _no_units(outputs: Sequence[Tensor]) -> list[Dims]:
    """The labels of outputs that nothing reads but a backward pass."""
    return [[None] * output.dim() for output in outputs]
