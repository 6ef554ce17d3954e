"""Tensors as the bytes of one safetensors file; a tensor of several names stands there once."""

from __future__ import annotations

import json
from collections.abc import Mapping

import safetensors.torch
from torch import Tensor

SAME = "same"
"""The note in a file: the name under which the tensor of each further name stands, as JSON."""


def saved(tensors: Mapping[str, Tensor]) -> bytes:
    """The file of tensors by their names; names that share one tensor, as tied weights do, share it
    in the file, too."""
    names: dict[object, str] = {}
    first = {name: names.setdefault(_place(name, tensor), name) for name, tensor in tensors.items()}
    # Cloned: a tensor may be a part of another one's memory.
    own = {name: tensors[name].contiguous().clone() for name in names.values()}
    same = {name: other for name, other in first.items() if name != other}
    return safetensors.torch.save(own, {SAME: json.dumps(same)} if same else None)


def loaded(file: bytes) -> dict[str, Tensor]:
    """The tensors of such a file by all their names."""
    tensors = safetensors.torch.load(file)
    header = json.loads(file[8 : 8 + int.from_bytes(file[:8], "little")])
    same = json.loads(header.get("__metadata__", {}).get(SAME, "{}"))
    return tensors | {name: tensors[other] for name, other in same.items()}


def _place(name: str, tensor: Tensor) -> object:
    """A value that two names have in common where their tensor is the same one."""
    if not tensor.numel():
        return name
    return tensor.device, tensor.data_ptr(), tensor.dtype, tensor.shape, tensor.stride()
