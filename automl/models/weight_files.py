"""Files of weights: loaded into a module, or made of what torch has pickled."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import safetensors.torch
import torch
from torch import Tensor, nn

from automl.errors import UserError
from automl.models.family import tensor_state

PICKLES = (".pt", ".pth", ".bin", ".ckpt", ".pkl")
PREFIXES = ("module.", "model.", "_orig_mod.")
"""What wrappers put before the names of a module's tensors."""

HOLDERS = ("state_dict", "model_state_dict", "model", "module", "net", "weights")
"""The names under which checkpoints keep a module's tensors."""

MOST_NAMED = 3


def load(module: nn.Module, file: Path, name: str) -> str:
    """Load a safetensors file into the module that `name` gave, and tell what was done to fit it.

    Raises UserError on a file that does not fit, with the first tensors that do not.
    """
    if file.suffix in PICKLES:
        made = file.with_suffix(".safetensors")
        raise UserError(
            f"{file} may hold code, so it is not opened: `automl convert {file} {made}` makes a "
            "file of its tensors, which `weights` may name"
        )
    try:
        state = safetensors.torch.load_file(file)
    except Exception as error:
        raise UserError(f"{file} is no safetensors file that can be read: {error}") from error
    problems = []
    for how, renamed in {"": state, **_renamed(state, list(tensor_state(module)))}.items():
        problems.append(_load(module, renamed))
        if not problems[-1]:
            return f"the weights of {file.name} were loaded {how}" if how else ""
    fewest = min(problems, key=lambda found: sum(map(len, found.values())))
    listed = "; ".join(_listed(what, names) for what, names in fewest.items())
    raise UserError(f"{file} does not fit {name}: {listed}")


def convert(file: Path, out: Path) -> list[str]:
    """Write the tensors of a file that torch saved as safetensors; returns what is left out.

    Nothing but tensors and plain values is unpickled. Raises UserError on a file with more.
    """
    try:
        held = torch.load(file, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise UserError(f"there is no file {file}; check the path") from None
    except OSError as error:
        raise UserError(f"{file} cannot be read: {error.strerror}") from error
    except Exception as error:  # bytes that are no file of torch's may raise anything in its reader
        raise UserError(
            f"{file} holds more than tensors, or is no file of torch's: where you trust it, save "
            "`module.state_dict()` of it, and convert that"
        ) from error
    state, left_out = _tensors_in(held)
    if not state:
        raise UserError(f"{file} holds no tensors by name; save `module.state_dict()`")
    # Cloned: safetensors refuses tensors that share memory.
    whole = {name: tensor.detach().contiguous().clone() for name, tensor in state.items()}
    try:
        out.write_bytes(safetensors.torch.save(whole))
    except OSError as error:
        raise UserError(f"{out} cannot be written: {error.strerror}") from error
    return left_out


def _tensors_in(held: object) -> tuple[dict[str, Tensor], list[str]]:
    """The tensors of a checkpoint by name, and the names of what else is in it."""
    if not isinstance(held, Mapping):
        return {}, []
    for holder in HOLDERS:
        if isinstance(held.get(holder), Mapping):
            inner, left_out = _tensors_in(held[holder])
            others = [str(name) for name in held if name != holder]
            return inner, left_out + others
    state = {str(name): value for name, value in held.items() if isinstance(value, Tensor)}
    return state, [str(name) for name in held if str(name) not in state]


def _renamed(state: Mapping[str, Tensor], wanted: Iterable[str]) -> dict[str, dict[str, Tensor]]:
    """The state under other names, by what was done to them."""
    found = {}
    for prefix in PREFIXES:
        if all(name.startswith(prefix) for name in state):
            shorter = {name.removeprefix(prefix): tensor for name, tensor in state.items()}
            found[f"without the prefix {prefix!r}"] = shorter
        if all(name.startswith(prefix) for name in wanted):
            longer = {prefix + name: tensor for name, tensor in state.items()}
            found[f"with the prefix {prefix!r}"] = longer
    return found


def _load(module: nn.Module, state: Mapping[str, Tensor]) -> dict[str, list[str]]:
    """Load a state; returns the tensors that do not fit, by what is wrong with them."""
    own = tensor_state(module)
    unlike = [
        f"{name} {tuple(state[name].shape)} for {tuple(own[name].shape)}"
        for name in own
        if name in state and state[name].shape != own[name].shape
    ]
    fitting = {
        name: t for name, t in state.items() if name not in own or t.shape == own[name].shape
    }
    found = module.load_state_dict(fitting, strict=False)
    # Of tensors that are one and the same, such as tied weights, a file may hold one.
    held = {own[name].data_ptr() for name in state if name in own}
    lacking = [n for n in found.missing_keys if n in own and own[n].data_ptr() not in held]
    problems = {
        "other shapes": unlike,
        "missing": lacking,
        "not in the module": found.unexpected_keys,
    }
    return {what: names for what, names in problems.items() if names}


def _listed(what: str, names: list[str]) -> str:
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return f"{what}: {', '.join(names[:MOST_NAMED])}{more}"
