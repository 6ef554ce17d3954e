"""State of a training between two epochs: weights and optimizer, as safetensors and JSON."""

from __future__ import annotations

import json

import safetensors.torch
import torch
from torch import Tensor, nn

from automl.models.family import load_tensor_state, tensor_state
from automl.recipe import Checkpoints


def checkpoint(model: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, bytes]:
    """The files of a state, by their names; random numbers need none, as the seed decides them."""
    tensors, numbers = {}, {}
    for index, state in optimizer.state_dict()["state"].items():
        for name, value in state.items():
            if isinstance(value, Tensor):
                tensors[f"{index}.{name}"] = value.contiguous()
            else:
                numbers[f"{index}.{name}"] = value
    weights = {name: tensor.contiguous().clone() for name, tensor in tensor_state(model).items()}
    return {
        "weights.safetensors": safetensors.torch.save(weights),
        "optimizer.safetensors": safetensors.torch.save(tensors),
        "optimizer.json": json.dumps(numbers).encode(),
    }


def restore(checkpoints: Checkpoints, model: nn.Module, optimizer: torch.optim.Optimizer) -> int:
    """Load the latest state, if any is kept; returns the number of epochs done."""
    found = checkpoints.load()
    if found is None:
        return 0
    epoch, files = found
    load_tensor_state(model, safetensors.torch.load(files["weights.safetensors"]))
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
    return epoch
