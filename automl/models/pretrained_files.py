"""Files of pretrained models on this machine: found, never fetched, and loaded."""

from __future__ import annotations

from pathlib import Path

import safetensors.torch
from torch import Tensor, nn

from automl.data.optional_packages import package
from automl.data.reading import existing
from automl.errors import UserError, described


def cached(name: str, file: str) -> Path:
    """A file of a model in the hub's cache. Raises UserError where it was never fetched."""
    hub = package("huggingface_hub", name, "pretrained")
    try:
        found = hub.try_to_load_from_cache(name, file)
    except ValueError as error:
        raise UserError(f"{name!r} names no model: {described(error)}") from error
    if not isinstance(found, str):
        raise UserError(
            f"{file} of {name} is not on this machine; fetch it once with "
            f"`hf download {name}`, or name a folder or file that you have: weights=PATH"
        )
    return Path(found)


def safetensors_file(path: str) -> Path:
    if existing(path).suffix != ".safetensors":
        raise UserError(f"{path} is no .safetensors file, and no other is opened; save it as one")
    return Path(path)


def loaded(model: nn.Module, file: Path, num_outputs: int) -> nn.Module:
    """The model with the weights of a file; a head of another number of classes stays as it is."""
    state = safetensors.torch.load_file(file)
    own = model.state_dict()
    head = [n for n in own if n in state and _is_head(own[n], state[n], num_outputs)]
    kept = {name: tensor for name, tensor in state.items() if name not in head}
    try:
        missing, unexpected = model.load_state_dict(kept, strict=False)
    except RuntimeError as error:
        raise UserError(f"{file} does not fit: {described(error)}") from error
    wrong = [*unexpected, *(name for name in missing if name not in head)]
    if wrong:
        raise UserError(f"{file} does not fit: {wrong[0]} is in only one of file and model")
    return model


def _is_head(own: Tensor, other: Tensor, num_outputs: int) -> bool:
    """Tell if two weights or biases differ in the number of classes alone."""
    return own.shape != other.shape and own.shape == (num_outputs, *other.shape[1:])
