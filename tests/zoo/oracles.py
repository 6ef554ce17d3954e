"""Plain second opinions: what a module answers, and what the simplest compression makes of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.utils import parametrize

from automl.data.dataset import Data

Numbers = NDArray[np.float32]


def torch_answers(net: nn.Module, data: Data, rows: NDArray[np.generic], at_once: int) -> Numbers:
    """The logits (rows, classes) of a network for raw rows, so many of them at once."""
    seen = torch.from_numpy(np.asarray(rows))
    if data.info.num_tokens:
        seen = seen.long()
    else:
        shape = (-1, *[1] * (len(data.info.input_shape) - 1))
        mean, std = (torch.tensor(v).view(shape) for v in vars(data.info.inputs).values())
        seen = (seen.float() - mean) / std
    net.eval()
    with torch.no_grad():
        return np.concatenate([net(part).float().numpy() for part in seen.split(at_once)])


def file_answers(file: bytes, rows: NDArray[np.generic], at_once: int) -> Numbers:
    """The logits (rows, classes) of a file for raw rows, so many of them at once."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    (taken,) = session.get_inputs()
    rows = np.asarray(rows).astype(np.int64 if taken.type == "tensor(int64)" else np.float32)
    parts = [rows[i : i + at_once] for i in range(0, len(rows), at_once)]
    return np.concatenate([session.run(None, {taken.name: part})[0] for part in parts])


def accuracy(answers: Numbers, targets: NDArray[np.int64]) -> float:
    return float((answers.argmax(1) == np.asarray(targets)).mean())


def distance(answers: Numbers, expected: Numbers) -> float:
    """The root mean square of what differs, in shares of the expected answers' spread."""
    if answers.shape != expected.shape or not np.isfinite(answers).all():
        return float("inf")
    return float(np.sqrt(np.mean((answers - expected) ** 2)) / max(expected.std(), 1e-9))


def agreement(answers: Numbers, expected: Numbers) -> float:
    """The share of rows on which both give the same class."""
    return float((answers.argmax(1) == expected.argmax(1)).mean())


def matrices(net: nn.Module) -> dict[str, nn.Parameter]:
    """The weights that compression is about: parameters of two and more dimensions, once each."""
    return {name: p for name, p in net.named_parameters() if p.dim() >= 2}


def rounded(net: nn.Module, bits: int) -> nn.Module:
    """The network, its weights rounded in place to the nearest of evenly spaced codes, the first
    and the last to 8 bits."""
    _make_plain(net)
    found = list(matrices(net).values())
    for position, weight in enumerate(found):
        width = 8 if position in (0, len(found) - 1) else bits
        weight.data.copy_(_nearest(weight.data.flatten(1), width).view_as(weight))
    return net


def clipped(net: nn.Module, fraction: float) -> nn.Module:
    """The network, this share of each matrix set to zero in place, the smallest first."""
    _make_plain(net)
    for weight in matrices(net).values():
        limit = weight.detach().abs().flatten().kthvalue(max(1, int(fraction * weight.numel())))
        weight.data.mul_(weight.data.abs() > limit.values)
    return net


def without_block(net: nn.Module, name: str) -> Callable[[], None]:
    """Have a block give what it takes; returns what undoes it."""

    def skip(block: nn.Module, inputs: tuple[Tensor, ...], output: object) -> object:
        return (inputs[0], *output[1:]) if isinstance(output, tuple) else inputs[0]

    return net.body.get_submodule(name).register_forward_hook(skip).remove


def best_without(
    net: nn.Module, blocks: Iterable[str], measure: Callable[[nn.Module], float]
) -> float:
    """The best accuracy of the network without one of these blocks."""
    found = []
    for name in blocks:
        undo = without_block(net, name)
        found.append(measure(net))
        undo()
    return max(found)


def _make_plain(net: nn.Module) -> None:
    """Turn what computes weights into the weights that it computes."""
    for module in net.modules():
        if parametrize.is_parametrized(module):
            for name in list(module.parametrizations):
                parametrize.remove_parametrizations(module, name)
        if hasattr(module, "weight_g"):
            nn.utils.remove_weight_norm(module)


def _nearest(weight: Tensor, bits: int) -> Tensor:
    """Rows (outputs, inputs) on the best of some grids of codes, by the squared error."""
    if bits == 1:
        return weight.sign() * weight.abs().mean(1, keepdim=True)
    steps = 2 ** (bits - 1) - 1 if bits > 2 else 1.5
    shift = 0.0 if bits > 2 else 0.5
    best, least = weight, torch.full((len(weight), 1), float("inf"))
    for share in (1.0, 0.85, 0.7, 0.55, 0.4):
        scale = (share * weight.abs().amax(1, keepdim=True) / steps).clamp_min(1e-12)
        codes = ((weight / scale - shift).round() + shift).clamp(-steps, steps)
        error = ((codes * scale - weight) ** 2).sum(1, keepdim=True)
        best = torch.where(error < least, codes * scale, best)
        least = torch.minimum(error, least)
    return best
