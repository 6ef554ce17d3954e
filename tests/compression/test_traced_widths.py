"""A user's own modules: which widths are found, cut, proven, stored; what is refused by name."""

from dataclasses import replace

import pytest
import torch
from helpers.trials import finish
from torch import nn
from torch.nn import functional as F

from automl.compression.coded_weight import held
from automl.compression.cut_units import checked_cut, cut
from automl.compression.kept_widths import SCOPES
from automl.compression.prune import Prune
from automl.compression.quantize import Quantize
from automl.compression.remove_layers import RemoveLayers
from automl.compression.traced_widths import Resized, traced_widths
from automl.errors import Rejected
from automl.export import onnx
from automl.models.deployed import Deployed, predict, seen_by
from automl.models.family import count_parameters, dump, restore
from automl.models.imported import Imported
from automl.runtimes import onnx as runtime
from automl.training.loop import Train
from automl.training.schedules import Cosine


class Plain(nn.Module):
    """Two convolutions and, behind a flattening, two linear layers."""

    def __init__(self):
        super().__init__()
        self.a, self.norm = nn.Conv2d(1, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16)
        self.b = nn.Conv2d(16, 24, 3, padding=1)
        self.c, self.head = nn.Linear(24 * 16, 32), nn.Linear(32, 10)

    def forward(self, x):
        x = F.max_pool2d(torch.relu(self.norm(self.a(x))), 2)
        return self.head(torch.relu(self.c(torch.relu(self.b(x)).flatten(1))))


class Shortcut(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(1, 16, 3, padding=1)
        self.inner, self.outer = nn.Conv2d(16, 24, 3, padding=1), nn.Conv2d(24, 16, 3, padding=1)
        self.norm, self.head = nn.BatchNorm2d(16), nn.Linear(16, 10)

    def forward(self, x):
        x = torch.relu(self.stem(x))
        x = x + self.norm(self.outer(torch.relu(self.inner(x))))
        return self.head(torch.relu(x).mean((2, 3)))


class Separable(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(1, 16, 3, padding=1)
        self.depthwise = nn.Conv2d(16, 16, 3, padding=1, groups=16)
        self.norm = nn.BatchNorm2d(16)
        self.pointwise, self.head = nn.Conv2d(16, 32, 1), nn.Linear(32, 10)

    def forward(self, x):
        x = torch.relu(self.norm(self.depthwise(torch.relu(self.stem(x)))))
        return self.head(torch.relu(self.pointwise(x)).mean((2, 3)))


class Joined(nn.Module):
    """Two branches side by side, one norm over both."""

    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Conv2d(1, 16, 3, padding=1), nn.Conv2d(1, 24, 1)
        self.norm, self.c = nn.BatchNorm2d(40), nn.Conv2d(40, 16, 3, padding=1)
        self.head = nn.Linear(16, 10)

    def forward(self, x):
        x = torch.relu(self.norm(torch.cat([self.a(x), self.b(x)], 1)))
        return self.head(torch.relu(self.c(x)).mean((2, 3)))


class HardCoded(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Conv2d(1, 16, 3, padding=1), nn.Conv2d(16, 16, 3, padding=1)
        self.head = nn.Linear(16 * 64, 10)

    def forward(self, x):
        return self.head(torch.relu(self.b(torch.relu(self.a(x)))).view(-1, 16 * 64))


class Folding(nn.Module):
    """Its own size in forward raises nothing: rows are averaged another way."""

    def __init__(self):
        super().__init__()
        self.a, self.b, self.head = nn.Conv2d(1, 16, 1), nn.Conv2d(16, 16, 1), nn.Linear(16, 10)

    def forward(self, x):
        x = torch.relu(self.b(torch.relu(self.a(x))))
        return self.head(x.sum((2, 3)) / x[:, :16].numel() * len(x))


class Squashed(nn.Module):
    """A unit at 0 answers a half, which a removed one does not."""

    def __init__(self):
        super().__init__()
        self.a, self.b, self.head = nn.Linear(64, 16), nn.Linear(16, 16), nn.Linear(16, 10)

    def forward(self, x):
        return self.head(torch.relu(self.b(torch.sigmoid(self.a(x.flatten(1))))))


class Normed(nn.Module):
    """Of three widths one runs through a norm over its units, one through grouped weights."""

    def __init__(self):
        super().__init__()
        self.a, self.norm = nn.Conv2d(1, 16, 3, padding=1), nn.GroupNorm(1, 16)
        self.b, self.grouped = nn.Conv2d(16, 16, 1), nn.Conv2d(16, 32, 3, groups=4)
        self.c, self.head = nn.Conv2d(32, 24, 1), nn.Linear(24, 10)

    def forward(self, x):
        x = self.grouped(self.b(torch.relu(self.norm(self.a(x)))))
        return self.head(torch.relu(self.c(torch.relu(x))).mean((2, 3)))


class Split(nn.Module):
    """What reads one half of a layer's units."""

    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Conv2d(1, 32, 3, padding=1), nn.Conv2d(16, 16, 3, padding=1)
        self.c, self.head = nn.Conv2d(32, 32, 3, padding=1), nn.Linear(64 * 64, 10)

    def forward(self, x):
        left, right = self.a(x).chunk(2, 1)
        x = torch.cat([left, self.b(right)], 1)
        return self.head(torch.cat([x, self.c(torch.relu(x))], 1).flatten(1))


class Gated(nn.Module):
    """Squeeze-and-excitation, a transposed convolution, an output that is no layer's own."""

    def __init__(self):
        super().__init__()
        self.a, self.up = nn.Conv2d(1, 16, 3, stride=2), nn.ConvTranspose2d(16, 24, 2, stride=2)
        self.squeeze, self.excite = nn.Linear(24, 8), nn.Linear(8, 24)
        self.head = nn.Linear(24, 10)

    def forward(self, x):
        x = torch.relu(self.up(torch.relu(self.a(x))))
        gate = torch.sigmoid(self.excite(torch.relu(self.squeeze(x.mean((2, 3))))))
        return torch.log_softmax(self.head((x * gate[:, :, None, None]).mean((2, 3))), 1)


class Recurrent(nn.Module):
    """Two recurrent layers that share a weight, and a linear layer."""

    def __init__(self):
        super().__init__()
        self.a, self.b = nn.GRU(8, 16, batch_first=True), nn.GRU(8, 16, batch_first=True)
        self.b.weight_hh_l0 = self.a.weight_hh_l0
        self.c, self.head = nn.Linear(32, 16), nn.Linear(16, 10)

    def forward(self, x):
        last = [layer(x[:, 0])[0][:, -1] for layer in (self.a, self.b)]
        return self.head(torch.relu(self.c(torch.cat(last, 1))))


FOUND = {
    Plain: {"a": 16, "b": 24, "c": 32},
    Shortcut: {"stem": 16, "inner": 24},
    Separable: {"stem": 16, "pointwise": 32},
    Joined: {"a": 16, "b": 24, "c": 16},
    Gated: {"a": 16, "up": 24, "squeeze": 8},
}
MODULES = {
    module.__name__: module
    for module in [*FOUND, HardCoded, Folding, Squashed, Normed, Split, Recurrent]
}


def made(name):
    """The factory of the tests' modules, by name."""
    return MODULES[name]()


@pytest.fixture
def imported(build):
    """An untrained network of a module, with norms that have seen rows."""

    def imported(module):
        network = build(Imported(made, options={"name": module.__name__}))
        network.train()(torch.randn(64, 1, 8, 8))
        return network.eval()

    return imported


def rows():
    torch.manual_seed(1)
    return torch.randn(32, 1, 8, 8)


@pytest.mark.parametrize("module", FOUND)
def test_every_width_is_found_but_the_output(module, imported):
    widths = traced_widths(imported(module), rows())
    groups = widths.groups
    by_layer = {layer: group.size for group in groups for layer in group.makers}
    assert {layer: by_layer[layer] for layer in FOUND[module]} == FOUND[module]
    assert (len(groups), widths.sentences) == (len(FOUND[module]), [])
    assert "head" not in by_layer


@pytest.mark.parametrize("module", FOUND)
def test_removing_traced_units_equals_silencing_them(module, imported):
    network = imported(module)
    groups = traced_widths(network, rows()).groups
    kept = [torch.randperm(group.size)[: group.size // 2].sort().values for group in groups]
    smaller, reason = checked_cut(network, groups, kept, rows())
    assert (smaller is not None, reason) == (True, "")
    assert count_parameters(smaller) < 0.6 * count_parameters(network)
    assert all(isinstance(edit, Resized) for edit in smaller.spec.layer_edits.values())
    again = traced_widths(smaller, rows()).groups
    assert [group.size for group in again] == [len(units) for units in kept]
    files = dump(smaller)
    restored = restore(files["weights.safetensors"], files["spec.json"]).eval()
    assert torch.equal(restored(rows()), smaller(rows()))
    assert dump(restored) == files
    for name, edit in smaller.spec.layer_edits.items():
        layer = restored.body.get_submodule(name)
        assert all(getattr(layer, key) == size for key, size in edit.sizes.items())


@pytest.mark.parametrize("module", FOUND)
@pytest.mark.parametrize("scope", SCOPES)
def test_widths_left_are_multiples_and_each_cut_is_cut_again(module, scope, imported, context):
    network = imported(module)
    step = Prune(0.5, scope=scope, score="taylor", rounds=2)
    pruned = step.apply(network, context)
    groups = traced_widths(pruned, rows()).groups
    assert all(group.size % 8 == 0 for group in groups)
    assert count_parameters(pruned) < count_parameters(network)
    finer = Prune(0.5, multiple=1).apply(pruned, context)
    halves = [group.size // 2 for group in groups]
    assert [group.size for group in traced_widths(finer, rows()).groups] == halves


def test_a_pruned_module_is_trained_quantized_and_exported(imported, context):
    network = finish(Train(learning_rate=Cosine(0.01), epochs=4).run(imported(Plain), context))
    step = Prune(0.5, rounds=2, fine_tune_epochs=1, learning_rate=Cosine(0.01), keep=("c",))
    context.checkpoints.clear()
    killed = step.run(network, context)
    for _ in range(2):
        next(killed)
    killed.close()
    pruned = finish(step.run(network, context))
    assert [pruned.body.a.out_channels, pruned.body.b.out_channels] == [8, 8]
    assert [pruned.body.c.in_features, pruned.body.c.out_features] == [8 * 16, 32]
    quantized = finish(Quantize().run(pruned, context))
    files = dump(quantized)
    quantized = restore(files["weights.safetensors"], files["spec.json"])
    raw = context.data.validation
    own = predict(Deployed(quantized, context.data.info), torch.from_numpy(raw.inputs))
    shipped = runtime.run(runtime.session(onnx.export(quantized, context.data)), raw.inputs)
    assert (own.argmax(1).numpy() == shipped.argmax(1)).mean() > 0.99
    assert (shipped.argmax(1) == raw.targets).mean() > 0.9
    with pytest.raises(Rejected, match="is quantized already; put Prune before"):
        Prune(0.5).apply(quantized, context)


def test_recurrent_layers_that_share_a_weight_stay_and_the_rest_is_cut(imported, context):
    pruned = Prune(0.5).apply(imported(Recurrent), context)
    assert pruned.body.c.out_features == 8
    assert pruned.body.b.weight_hh_l0 is pruned.body.a.weight_hh_l0
    outcomes = {outcome.tensor: outcome for outcome in context.outcomes["prune"]}
    assert outcomes["a.weight_hh_l0"].reason.startswith("the module then raises RuntimeError")


def test_changes_of_a_layer_add_up(build, context):
    """Narrower, then its norm merged into it, then integers; and rebuilt so from the spec."""
    network = build(Imported(sequence))
    pruned = Prune(0.5).apply(network, context)
    quantized = finish(Quantize().run(pruned, context))
    assert [tuple(held(quantized.body[i]).shape) for i in (0, 3)] == [(8, 1, 3, 3), (16, 8, 3, 3)]
    assert isinstance(quantized.body[1], nn.Identity)
    files = dump(quantized)
    again = restore(files["weights.safetensors"], files["spec.json"]).eval()
    seen = seen_by(pruned, context.data.validation.inputs, context.data.info)
    exact, rounded = predict(pruned, seen), predict(quantized, seen)
    assert torch.equal(predict(again, seen), rounded)
    assert (exact - rounded).abs().max() < 0.1 * exact.abs().max()


def test_a_missing_score_is_refused_with_its_layer(imported, context):
    with pytest.raises(Rejected, match="no batch norm scales the units of 'b'"):
        Prune(0.5, score="batch_norm").apply(imported(Plain), context)
    pruned = Prune(0.5, score="batch_norm", keep=("b", "c")).apply(imported(Plain), context)
    assert [pruned.body.a.out_channels, pruned.body.b.out_channels] == [8, 24]


@pytest.mark.parametrize(
    ("module", "layer", "reason"),
    [
        (HardCoded, "b", "the module then raises RuntimeError: "),
        (Folding, "b", "the module then answers otherwise than with these units at 0"),
        (Squashed, "a", "the module then answers otherwise than with these units at 0"),
    ],
)
@pytest.mark.parametrize("scope", ["layer", "sensitivity"])
def test_what_cannot_be_cut_safely_stays_and_the_rest_is_cut(
    module, layer, reason, scope, imported, context
):
    pruned = Prune(0.5, scope=scope).apply(imported(module), context)
    (other,) = {"a", "b"} - {layer}
    assert len(pruned.body.get_submodule(other).weight) == 8
    assert len(pruned.body.get_submodule(layer).weight) == 16
    outcomes = {outcome.tensor: outcome for outcome in context.outcomes["prune"]}
    assert outcomes[f"{other}.weight"].change.startswith("16 -> 8 units made")
    assert outcomes["head.weight"].reason in ("", "its units are the answers")
    assert any(f"{layer!r} stays as wide as it is: {reason}" in note for note in context.notes)


def test_nothing_to_cut_is_rejected_with_the_causes(imported, context):
    with pytest.raises(
        Rejected, match=r"keep names every width.*; 'a' stays as wide as it is: the"
    ):
        Prune(0.5, keep=("b",)).apply(imported(Squashed), context)


def test_widths_that_layers_mix_stay_and_are_named(imported, context):
    pruned = Prune(0.5, multiple=1).apply(imported(Normed), context)
    assert (pruned.body.c.out_channels, pruned.body.a.out_channels) == (12, 16)
    assert (pruned.body.grouped.out_channels, pruned.body.grouped.groups) == (16, 2)
    assert [note.split("units ")[1] for note in context.notes] == ["run through GroupNorm 'norm'"]
    assert all(note.startswith("step 'prune': ") for note in context.notes)


def test_halves_of_a_layer_are_cut_alike(imported, context):
    pruned = Prune(0.5).apply(imported(Split), context)
    assert pruned.body.a.out_channels == 16


def test_a_module_without_a_width_is_rejected(build, context):
    with pytest.raises(Rejected, match="this Imported has no width that can be cut exactly"):
        Prune(0.5).apply(build(Imported(single)), context)
    with pytest.raises(Rejected, match="this Imported has no block that can go"):
        RemoveLayers().apply(build(Imported(single)), context)


def test_a_wrong_cut_is_never_made(imported):
    """Groups that forget what reads them do not pass."""
    network = imported(Plain)
    groups = traced_widths(network, rows()).groups
    shifted = tuple(replace(part, numbers=part.numbers[::-1]) for part in groups[1].consumed)
    wrong = [groups[0], replace(groups[1], consumed=shifted), groups[2]]
    kept = [torch.arange(group.size // 2) for group in wrong]
    assert checked_cut(network, wrong, kept, rows())[0] is None
    assert cut(network, groups, kept)(rows()).shape == (32, 10)


def single():
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 10))


def sequence():
    return nn.Sequential(
        *(nn.Conv2d(1, 16, 3), nn.BatchNorm2d(16), nn.ReLU()),
        *(nn.Conv2d(16, 32, 3), nn.BatchNorm2d(32), nn.ReLU()),
        *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 10)),
    )


class WithAuxiliaryHead(nn.Module):
    """Its second head reads the first layer's units, in training alone."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Linear(64, 32), nn.Linear(32, 32)
        self.aux, self.head = nn.Linear(32, 10), nn.Linear(32, 10)

    def forward(self, rows):
        first = self.first(rows.flatten(1)).relu()
        early = self.aux(first) if self.training else 0.0
        return self.head(self.second(first).relu()) + early


def test_units_that_only_a_training_reads_stay(build, context):
    network = build(Imported(WithAuxiliaryHead))
    smaller = Prune(0.5).apply(network, context)
    assert [len(layer.weight) for layer in (smaller.body.first, smaller.body.second)] == [32, 16]
    assert smaller.train()(torch.randn(4, 1, 8, 8)).shape == (4, 10)
    stays = {o.tensor: o.reason for o in context.outcomes["prune"]}["first.weight"]
    assert "the module then raises RuntimeError" in stays
