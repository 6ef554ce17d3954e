"""A user's module held against itself: built twice and asked twice, it must answer alike."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from automl.data.dataset import Data
from automl.errors import UserError, described
from automl.models.deployed import predict, seen_by
from automl.models.family import Network, load_tensor_state, tensor_state, untrained
from automl.models.plain_layers import BATCH_NORMS
from automl.models.watching import watching

NUM_ROWS = 2


def check_repeatable(network: Network, data: Data, seed: int) -> None:
    """Raise UserError unless a module answers alike when it is asked twice, and when it is built
    again under another seed and given the same state: a trained one is saved as its state."""
    rows = seen_by(network, data.train.inputs[:NUM_ROWS], data.info)
    answers = predict(network, rows)
    if not _alike(predict(network, rows), answers):
        what = _first_unlike(network, network, rows)
        raise UserError(
            f"{network.spec.model} gives other answers each time for the same rows, in {what}: it "
            "is random in evaluation, or keeps what it has seen; heed `self.training`"
        )
    torch.manual_seed(seed + 1)
    again = untrained(network.spec.model, data.info)
    _check_same_state(network, again)
    load_tensor_state(again, tensor_state(network))
    if not _alike(predict(again, rows), answers):
        what = _unlike_tensor(network, again) or _first_unlike(network, again, rows)
        raise UserError(
            f"{network.spec.model} is made anew with other numbers each time, in {what}, which its "
            "state does not hold: make that a buffer (persistent=True), or seed it in the factory"
        )


def check_any_rows(network: Network, data: Data) -> list[str]:
    """Have a module answer one row and three, as a search asks of it; returns a note where an
    answer depends on the other rows. Raises UserError where it cannot."""
    rows = seen_by(network, data.train.inputs[:3], data.info)
    parts = []
    for part in (rows, *torch.split(rows, 1)):
        try:
            parts.append(predict(network, part))
        except Exception as error:
            raise UserError(
                f"{network.spec.model} answers {NUM_ROWS} rows, but not {len(part)} "
                f"({described(error)}); take the number of rows from `x.shape[0]`"
            ) from error
    together, alone = parts[0], torch.cat(parts[1:])
    if together.shape == alone.shape and _alike(together, alone):
        return []
    return [f"the answer for a row depends on the rows beside it{_why(network.body)}"]


def _why(body: nn.Module) -> str:
    """The cause of that, and what to do, after a colon: the first norm without statistics, if
    there is one."""
    for name, norm in body.named_modules():
        if isinstance(norm, BATCH_NORMS) and norm.running_mean is None:
            what = f"layer {name!r} ({type(norm).__name__}) keeps no running statistics"
            return f": {what}; build it with track_running_stats=True"
    return ""


def _alike(answers: Tensor, expected: Tensor) -> bool:
    """Tell if answers are the same, but for rounding."""
    scale = 1e-4 * float(expected.abs().nan_to_num().max())
    return torch.allclose(answers, expected, rtol=0, atol=scale, equal_nan=True)


def _check_same_state(network: Network, again: Network) -> None:
    first = {name: tuple(tensor.shape) for name, tensor in tensor_state(network).items()}
    second = {name: tuple(tensor.shape) for name, tensor in tensor_state(again).items()}
    for name in (*first, *second):
        if first.get(name) != second.get(name):
            shapes = f"{first.get(name, 'absent')}, then {second.get(name, 'absent')}"
            raise UserError(
                f"{network.spec.model} makes another module each time: "
                f"{name.removeprefix('body.')!r} is {shapes}; seed its choices in the factory"
            )


def _unlike_tensor(network: Network, again: Network) -> str:
    """The first tensor outside the state that differs between two networks."""
    others = dict(_outside_state(again.body))
    for name, tensor in _outside_state(network.body):
        other = others.get(name)
        if other is not None and not (other.shape == tensor.shape and _alike(other, tensor)):
            return f"the tensor {name!r}"
    return ""


def _outside_state(body: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """Buffers that are not persistent, and tensors that are plain attributes."""
    state = tensor_state(body)
    for name, buffer in body.named_buffers():
        if name not in state:
            yield name, buffer.float()
    for path, part in body.named_modules():
        for name, value in vars(part).items():
            if isinstance(value, Tensor):
                yield f"{path}.{name}".lstrip("."), value.detach().float()


def _first_unlike(network: Network, again: Network, rows: Tensor) -> str:
    """The first layer that gives different tensors for the same input."""
    calls, other = _calls(network, rows), _calls(again, rows)
    for (name, seen, gave), (_, seen_again, gave_again) in zip(calls, other, strict=False):
        if _alike(seen_again, seen) and not _alike(gave_again, gave):
            return f"the layer {name!r}" if name else "its own forward"
    return "its own forward"


def _calls(network: Network, rows: Tensor) -> list[tuple[str, Tensor, Tensor]]:
    """The tensors that each module read and gave, in the order of the calls."""
    calls: list[tuple[str, Tensor, Tensor]] = []

    def note(name: str, layer: nn.Module, inputs: tuple[Tensor, ...], outputs: Tensor) -> None:
        if inputs and isinstance(inputs[0], Tensor) and isinstance(outputs, Tensor):
            calls.append((name, inputs[0].detach().float().clone(), outputs.detach().float()))

    with watching(dict(network.body.named_modules()), note):
        predict(network, rows)
    return calls
