"""The weights of a network found again in its file, whose values have short names alone."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from automl.compression.coded_weight import each_once
from automl.export import onnx
from automl.export.claims import alike
from automl.export.sparse import Array
from automl.models.family import Network
from automl.models.weights import weights

PARAMETRIZED = "parametrizations."


def weights_in_file(file: bytes, network: Network) -> dict[str, str]:
    """The value in a file that holds each tensor of weights of its network, by the tensor's name.

    A tensor that is found for sure nowhere, or that two of the file's may be, is left out.
    """
    held = onnx.weights(file)
    found: dict[str, str] = {}
    for tensor, numbers in _tensors(network):
        fitting = [name for name, own in held.items() if own.size == numbers.size > 1]
        same = [name for name in fitting if _is_same(numbers, held[name])]
        likely = same or [name for name in fitting if alike(numbers, held[name])]
        if len(likely) == 1 and likely[0] not in found.values():
            found[tensor] = likely[0]
    return found


def _tensors(network: Network) -> Iterator[tuple[str, Array]]:
    """The weights of a network by name, codes where it has such, each (outputs, ...)."""
    for name, (codes, weight) in each_once(network.body).items():
        own = name.removesuffix(".original").replace(PARAMETRIZED, "")
        yield own, codes.movedim(weight.axis, 0).cpu().numpy()
    for one in weights(network.body):
        yield one.name, one.values.detach().cpu().numpy()


def _is_same(numbers: Array, others: Array) -> bool:
    """Tell if numbers (outputs, ...) are the others, also where these lie turned."""
    rows = numbers.reshape(len(numbers), -1)
    turned = (others.reshape(rows.shape), others.reshape(rows.shape[::-1]).T)
    return any(np.array_equal(rows, other) for other in turned)
