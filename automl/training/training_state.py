"""State of a training between two epochs: weights and optimizer, as safetensors and JSON."""

from __future__ import annotations

import json

import safetensors.torch
import torch
from torch import Tensor, nn

from automl.models.family import load_tensor_state, tensor_state
from automl.models.saved_tensors import loaded, saved
from automl.recipe import Checkpoints

LOOP_FILE = "loop.json"


def checkpoint(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    scaler: torch.amp.GradScaler,
    rows_at_once: int,
) -> dict[str, bytes]:
    """The files of a state, by their names; random numbers need none, as the seed decides them."""
    tensors, numbers = {}, {}
    for index, state in optimizer.state_dict()["state"].items():
        for name, value in state.items():
            if isinstance(value, Tensor):
                tensors[f"{index}.{name}"] = value.contiguous()
            else:
                numbers[f"{index}.{name}"] = value
    loop = {"scaler": scaler.state_dict(), "rows_at_once": rows_at_once}
    return {
        "weights.safetensors": saved(tensor_state(model)),
        LOOP_FILE: json.dumps(loop).encode(),
        "optimizer.safetensors": safetensors.torch.save(tensors),
        "optimizer.json": json.dumps(numbers).encode(),
    }


def restore(
    checkpoints: Checkpoints,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    scaler: torch.amp.GradScaler,
) -> tuple[int, int | None]:
    """Load the latest state, if any is kept: the number of epochs done, and the rows at once; None
    where nothing says how many."""
    found = checkpoints.load()
    if found is None:
        return 0, None
    epoch, files = found
    load_tensor_state(model, loaded(files["weights.safetensors"]))
    values = {
        **safetensors.torch.load(files["optimizer.safetensors"]),
        **json.loads(files["optimizer.json"]),
    }
    state: dict[int, dict[str, object]] = {}
    for key, value in values.items():
        index, name = key.split(".", 1)
        state.setdefault(int(index), {})[name] = value
    groups = optimizer.state_dict()["param_groups"]
    optimizer.load_state_dict({"state": state, "param_groups": groups})
    _format_as_weights(optimizer)
    loop = json.loads(files.get(LOOP_FILE, b"{}"))
    if loop.get("scaler"):
        scaler.load_state_dict(loop["scaler"])
    return epoch, loop.get("rows_at_once")


def _format_as_weights(optimizer: torch.optim.Optimizer) -> None:
    """Have the state of each weight lie in memory as the weight does: files hold it contiguous, and
    a kernel that moves all weights takes no other."""
    for weight, state in optimizer.state.items():
        for name, value in state.items():
            if isinstance(value, Tensor) and value.shape == weight.shape:
                like = torch.empty_like(weight, dtype=value.dtype, device=value.device)
                state[name] = like.copy_(value)
