"""Families, specs and networks: a family's config, and all that its empty module depends on."""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from automl.config import Config, canonical, decode
from automl.data.arrays import Numbers
from automl.data.dataset import DatasetInfo, Scaling
from automl.errors import UserError
from automl.models.layer_edits import LayerEdit, TwoEdits
from automl.models.saved_tensors import loaded, saved


@dataclass(frozen=True)
class Slice:
    """A part of a tensor that runs along a width: dimension `dim` of tensor `name`, `block` entries
    for each unit, the first at `start`."""

    name: str
    dim: int
    block: int = 1
    start: int = 0

    def entries(self, units: Tensor) -> Tensor:
        """The entries (units, block) of some units, given as numbers (units,)."""
        return self.start + units[:, None] * self.block + torch.arange(self.block)


@dataclass(frozen=True)
class Group:
    """A width of a network that can be cut: its size and every tensor that it runs through.

    `produced` are the tensors that make the units (rows, biases, norms), `consumed` those
    that read them. `snap`: whether a size should be a multiple of what runtimes like.
    """

    size: int
    produced: tuple[Slice, ...]
    consumed: tuple[Slice, ...]
    snap: bool = True

    @property
    def makers(self) -> tuple[str, ...]:
        """The layers that make the units, by name; a bare parameter of the body by its own."""
        layers = (part.name.rpartition(".")[0] or part.name for part in self.produced)
        return tuple(dict.fromkeys(layers))


@dataclass(frozen=True)
class Block:
    """A part of a body that can go without a change of shape: its module `{stem}{index}`.

    `without` is the family that lacks it; there the later modules of the stem count one less.
    """

    stem: str
    index: int
    without: ModelFamily


class ModelFamily(Config):
    """A family: builds its module, and tells which of its widths can be cut."""

    def build(self, input_shape: tuple[int, ...], num_outputs: int) -> nn.Module:
        """The untrained module for float rows. Raises UserError on a shape it cannot take.

        Shapes are (channels, height, width), (channels, steps) or (features,).
        """
        raise NotImplementedError

    def build_text(self, num_tokens: int, length: int, num_outputs: int) -> nn.Module:
        """The untrained module for rows of `length` int64 tokens."""
        raise UserError(
            f"{type(self).__name__} does not take text; choose Transformer or ConvNet1d"
        )

    def fit(self, body: nn.Module, info: DatasetInfo) -> None:
        """Bring a module that was just built to the data, where its sizes do not say all."""

    def scaling(self, info: DatasetInfo) -> Scaling:
        """The shift and divisor of raw inputs: unless a family says more, the training rows' own
        moments."""
        return info.inputs

    def target_scaling(self, info: DatasetInfo) -> Scaling:
        """The shift and divisor of the targets that the network learns, in a regression: unless a
        family says more, the training rows' own moments."""
        return info.targets

    def knots(self, info: DatasetInfo) -> tuple[Numbers, ...]:
        """The ends of the bins that code each number of a flat row; usually none."""
        return ()

    @property
    def comes_trained(self) -> bool:
        """Tell if the module that `build` gives has weights that were learned elsewhere."""
        return False

    def without_weights(self) -> ModelFamily:
        """The same family, building its module without reading weights from anywhere."""
        return self

    def groups(self) -> Sequence[Group]:
        """The widths that can be cut exactly, in the order that `with_widths` takes them."""
        return ()

    def with_widths(self, sizes: tuple[int, ...]) -> ModelFamily:
        """The same family with other sizes of its groups."""
        return self

    def widened(self, factor: float) -> ModelFamily:
        """The same family, each of its widths times a factor; itself where it has none."""
        sizes = tuple(max(1, round(factor * group.size)) for group in self.groups())
        return self.with_widths(sizes) if sizes else self

    def blocks(self, input_shape: tuple[int, ...]) -> Sequence[Block]:
        """The blocks of which any one can go; none where the last of a model stands."""
        return ()


@dataclass(frozen=True)
class Spec(Config):
    """All that the empty module depends on, JSON-able.

    The family is called `model` here as in `TrialConfig`, since stored specs hold that name.
    `keeps_zeros`: training leaves the weights that are zero at zero. `averages_flips`: but in
    training, an image is answered by the mean over it and its mirror image.
    """

    model: ModelFamily
    input_shape: tuple[int, ...]
    num_outputs: int
    num_tokens: int = 0
    layer_edits: dict[str, LayerEdit] = field(default_factory=dict)
    keeps_zeros: bool = False
    averages_flips: bool = False


class Network(nn.Module):
    """A family's module built from a spec, with the layers in `spec.layer_edits` changed.

    Takes rows (rows, *input shape) and gives answers (rows, outputs).
    """

    def __init__(self, spec: Spec) -> None:
        super().__init__()
        self.spec = spec
        family, shape = spec.model, spec.input_shape
        if spec.num_tokens:
            self.body = family.build_text(spec.num_tokens, shape[0], spec.num_outputs)
        else:
            self.body = family.build(shape, spec.num_outputs)
        for name, edit in spec.layer_edits.items():
            self._change(self.body.get_submodule(name), edit)
        self.computes_weights = any(map(parametrize.is_parametrized, self.body.modules()))

    @property
    def asks_twice(self) -> bool:
        """Tell if the body is asked for images, and after these for their mirror images."""
        return self.spec.averages_flips and not self.training

    def forward(self, inputs: Tensor) -> Tensor:
        rows = torch.cat([inputs, inputs.flip(-1)]) if self.asks_twice else inputs
        # A weight that is computed is so once, however often a layer is called.
        with parametrize.cached() if self.computes_weights else nullcontext():
            outputs: Tensor = self.body(rows)
        return outputs.reshape(2, -1, *outputs.shape[1:]).mean(0) if self.asks_twice else outputs

    def _change(self, layer: nn.Module, edit: LayerEdit) -> None:
        modules = dict(self.body.named_modules(remove_duplicate=False))
        tied = {
            name: [
                (module, other)
                for module in {id(m): m for m in modules.values()}.values()
                for other, shared in module.named_parameters(recurse=False)
                if shared is tensor and (module is not layer or other != name)
            ]
            for name, tensor in layer.named_parameters(recurse=False)
        }
        changed = edit.rebuild(layer)
        if changed is not layer:
            for name in [name for name, module in modules.items() if module is layer]:
                self.body.set_submodule(name, changed)
        for name, others in tied.items():
            if parametrize.is_parametrized(layer, name):
                for module, other in others:
                    _follow(module, other, layer, name)


def _follow(module: nn.Module, tensor: str, layer: nn.Module, name: str) -> None:
    """Have a module compute its tensor as a layer computes one: the two are tied."""
    delattr(module, tensor)
    module.register_buffer(tensor, torch.zeros(0))
    parametrize.register_parametrization(module, tensor, nn.Identity(), unsafe=True)
    mine, theirs = module.parametrizations, layer.parametrizations
    assert isinstance(mine, nn.ModuleDict) and isinstance(theirs, nn.ModuleDict)
    mine[tensor] = theirs[name]


def edit_layers(network: Network, layer_edits: Mapping[str, LayerEdit]) -> Network:
    """A new, empty network with these layers changed too; weights are for the caller to set."""
    known = network.spec.layer_edits
    added = {
        name: TwoEdits(known[name], new) if name in known else new
        for name, new in layer_edits.items()
    }
    return Network(replace(network.spec, layer_edits={**known, **added}))


def last_edit(network: Network, name: str) -> LayerEdit:
    """The last edit of a layer."""
    known = network.spec.layer_edits[name]
    return known.second if isinstance(known, TwoEdits) else known


def replace_last_edit(network: Network, layer_edits: Mapping[str, LayerEdit]) -> Network:
    """A new, empty network with these edits in the place of the layers' last; weights are for the
    caller to set."""
    known = dict(network.spec.layer_edits)
    for name, new in layer_edits.items():
        before = known.get(name)
        known[name] = replace(before, second=new) if isinstance(before, TwoEdits) else new
    return Network(replace(network.spec, layer_edits=known))


def untrained(family: ModelFamily, info: DatasetInfo) -> Network:
    """A family's network for a dataset."""
    return fitted(Spec(family, seen_shape(family, info), info.num_outputs, info.num_tokens), info)


def fitted(spec: Spec, info: DatasetInfo) -> Network:
    """The network of a spec, brought to the data."""
    network = Network(spec)
    spec.model.fit(network.body, info)
    return network


def seen_shape(family: ModelFamily, info: DatasetInfo) -> tuple[int, ...]:
    """The shape of a row as a family's network sees it: with bins in the place of each number."""
    knots = family.knots(info)
    more = sum(len(own) - 2 for own in knots)
    return (info.input_shape[0] + more,) if knots else info.input_shape


def dump(network: Network) -> dict[str, bytes]:
    """The files of a saved network, by name; the spec comes last, as the sign that all is there."""
    return {
        "weights.safetensors": saved(tensor_state(network)),
        "spec.json": canonical(network.spec).encode(),
    }


def restore(weights: bytes, spec: bytes) -> Network:
    """The network whose files `dump` made."""
    network = Network(decode(json.loads(spec)))
    load_tensor_state(network, loaded(weights))
    return network


def tensor_state(module: nn.Module) -> dict[str, Tensor]:
    """A module's state without the extra state that is no tensor: the factory makes that anew."""
    state = module.state_dict().items()
    return {name: value for name, value in state if isinstance(value, Tensor)}


def load_tensor_state(module: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Load a state that `tensor_state` gave; extra state stays as the factory made it."""
    own = module.state_dict().items()
    extra = {name: value for name, value in own if not isinstance(value, Tensor)}
    module.load_state_dict({**extra, **state})


def copy_weights(source: Network, target: Network) -> None:
    """Copy every tensor whose name and shape both networks share."""
    own = tensor_state(target)
    shared = {
        name: tensor
        for name, tensor in tensor_state(source).items()
        if name in own and own[name].shape == tensor.shape
    }
    target.load_state_dict(shared, strict=False)


def count_parameters(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def chain(layers: Iterable[tuple[str, nn.Module]]) -> nn.Sequential:
    """Named layers, one after the other."""
    return nn.Sequential(OrderedDict(layers))
