"""Modules as people have them: what is changed stays right, what cannot be is told by its name."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from helpers.families import DATASETS, TEXT, built
from helpers.trials import finish, load
from onnx import load_from_string
from torch import nn
from torch.nn import functional as F
from torch.nn.utils import parametrizations, spectral_norm, weight_norm

from automl.compression.binarize import Binarize
from automl.compression.changeable import changeable
from automl.compression.clip import Clip
from automl.compression.coded_weight import coded_weight, each_once
from automl.compression.factorize import Factorize
from automl.compression.quantize import Quantize
from automl.errors import Rejected
from automl.export import onnx
from automl.export.claims import broken_claim, claims
from automl.models.deployed import Deployed, predict
from automl.models.family import dump, restore
from automl.models.imported import Imported
from automl.models.transformer import Transformer, TransformerLayer
from automl.runtimes import onnx as runtime
from automl.training.loop import Train
from automl.training.schedules import Cosine


def chained(*layers):
    return nn.Sequential(nn.Flatten(), *layers, nn.ReLU(), nn.Linear(64, 10))


class Module(nn.Module):
    """A layer `first`, what a subclass says, and a head."""

    def __init__(self):
        super().__init__()
        self.first, self.head = nn.Linear(64, 64), nn.Linear(64, 10)

    def forward(self, rows):
        return self.head(self.hidden(rows.flatten(1)).relu())


class Tied(Module):
    def __init__(self):
        super().__init__()
        self.second = nn.Linear(64, 64)
        self.second.weight = self.first.weight

    def hidden(self, rows):
        return self.second(self.first(rows).relu())


class HeadFirst(Module):
    """Layers that are registered in another order than that of their calls."""

    def __init__(self):
        super().__init__()
        self.first, self.head, self.stem = nn.Linear(64, 64), nn.Linear(64, 10), nn.Linear(64, 64)
        self.matrix = nn.Parameter(torch.randn(64, 64))

    def hidden(self, rows):
        return self.first(self.stem(rows).relu()) @ self.matrix


class TwoNames(Module):
    def __init__(self):
        super().__init__()
        self.second = self.first

    def hidden(self, rows):
        return self.second(self.first(rows).relu())


class Attention(Module):
    """torch's own, which reads the weight of a layer that it never calls."""

    def __init__(self):
        super().__init__()
        self.first = nn.MultiheadAttention(8, 2, batch_first=True)

    def hidden(self, rows):
        steps = rows.unflatten(1, (8, 8))
        return self.first(steps, steps, steps)[0].flatten(1)


class Recurrent(Module):
    def __init__(self):
        super().__init__()
        self.first = nn.LSTM(8, 64, batch_first=True)

    def hidden(self, rows):
        return self.first(rows.unflatten(1, (8, 8)))[0][:, -1]


class Bags(Module):
    """Its embedding is looked up in the body of a loop of the file."""

    def __init__(self):
        super().__init__()
        self.first = nn.EmbeddingBag(32, 64, mode="mean")

    def hidden(self, rows):
        return self.first((rows * 4).clamp(0, 31).long())


class Borrowed(Module):
    """Its layer's weight is read, the layer is not called."""

    def hidden(self, rows):
        return F.linear(rows, F.normalize(self.first.weight))


class Functional(Module):
    def __init__(self):
        super().__init__()
        del self.first
        self.kernel = nn.Parameter(0.2 * torch.randn(16, 1, 3, 3))
        self.matrix = nn.Parameter(0.1 * torch.randn(64, 64))

    def hidden(self, rows):
        image = F.conv2d(rows.unflatten(1, (1, 8, 8)), self.kernel, padding=1).mean(1)
        return image.flatten(1) @ self.matrix


class Keywords(Module):
    def hidden(self, rows):
        return self.first(input=rows)


class Scaled(nn.Linear):
    """A layer with a forward of its own."""

    def forward(self, rows):
        return F.linear(rows, 2 * self.weight, self.bias)


class ReadsAttributes(Module):
    def hidden(self, rows):
        first = self.first
        rows = rows.to(first.weight.dtype)
        return rows + first(rows) if first.in_features == first.out_features else first(rows)


class InPlace(Module):
    """All its branches read one tensor object, at different times."""

    def __init__(self):
        super().__init__()
        self.branches = nn.ModuleList(nn.Linear(16, 16) for _ in range(3))

    def hidden(self, rows):
        values = 0.1 * self.first(rows).unflatten(1, (16, 4)).transpose(1, 2)
        for branch in self.branches:
            values += 3.0 * branch(values).relu()
        return values.flatten(1)


class Again(Module):
    """A layer reads what another reads as well, and then its own larger states."""

    def __init__(self):
        super().__init__()
        self.again = nn.Linear(64, 64)
        self.again.weight.data.mul_(4)

    def hidden(self, rows):
        values = rows
        for _ in range(2):
            values = self.again(values).relu()
        return values + self.first(rows)


class Extractor(Module):
    """A layer that is frozen, and gets no gradient."""

    def hidden(self, rows):
        with torch.no_grad():
            return self.first(rows)


class Experts(Module):
    """Each row goes to an expert by its kind; of one kind there is no row."""

    def __init__(self):
        super().__init__()
        self.shared, self.other = nn.Linear(64, 64), nn.Linear(64, 64)

    def hidden(self, rows):
        values = self.first(rows)
        kinds, mixed = 2 * (rows[:, 20] > rows[:, 43]).long(), torch.zeros_like(values)
        for kind, expert in ((1, self.shared), (0, self.shared), (2, self.other)):
            at = torch.nonzero(kinds == kind).flatten()
            mixed = mixed.index_add(0, at, expert(values[at]))
        return mixed


class Auxiliary(Module):
    """A head that is not called in evaluation."""

    def __init__(self):
        super().__init__()
        self.aux = nn.Linear(64, 10)

    def forward(self, rows):
        extra = self.aux(rows.flatten(1)) if self.training else 0.0
        return super().forward(rows) + extra

    def hidden(self, rows):
        return self.first(rows)


def hooked():
    layer = nn.Conv2d(1, 4, 3, padding=1)
    layer.register_forward_hook(lambda module, inputs, outputs: 2 * outputs)
    return nn.Sequential(layer, nn.ReLU(), nn.Flatten(), nn.Linear(256, 10))


class Volume(Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Conv3d(1, 4, 3, padding=1)
        self.up = nn.ConvTranspose2d(4, 1, 1)

    def hidden(self, rows):
        values = self.first(rows.unflatten(1, (1, 1, 8, 8))).squeeze(2).relu()
        return self.up(values).flatten(1)


MODULES = [
    Tied,
    TwoNames,
    Attention,
    Recurrent,
    Bags,
    Borrowed,
    Functional,
    Keywords,
    ReadsAttributes,
    InPlace,
    Again,
    Extractor,
    Experts,
    Auxiliary,
    Volume,
    hooked,
    lambda: chained(Scaled(64, 64)),
    lambda: chained(weight_norm(nn.Linear(64, 64))),
    lambda: chained(spectral_norm(nn.Linear(64, 64))),
    lambda: chained(parametrizations.weight_norm(nn.Linear(64, 64))),
    lambda: chained(parametrizations.spectral_norm(nn.Linear(64, 64))),
]
NAMES = [
    *(module.__name__ for module in MODULES[:16]),
    *("own_forward", "old_weight_norm", "old_spectral_norm", "weight_norm", "spectral_norm"),
]
FACTORIES = dict(zip(NAMES, MODULES))


def made(name):
    torch.manual_seed(0)
    return FACTORIES[name]()


@pytest.fixture
def network(build):
    return lambda name: build(Imported(made, options={"name": name}))


def shipped(network, context):
    rows = context.data.validation.inputs
    file = onnx.export(network, context.data)
    assert broken_claim(file, runtime.optimised(file), claims(network)) == ""
    session = runtime.session(file)
    answers = runtime.run(session, rows)
    alone = np.concatenate([runtime.run(session, rows[i : i + 1]) for i in range(8)])
    assert np.abs(alone - answers[:8]).max() < 0.02 * np.abs(answers).max()
    return answers


def own(network, context):
    rows = torch.from_numpy(context.data.validation.inputs)
    return predict(Deployed(network, context.data.info), rows).numpy()


@pytest.mark.parametrize("name", NAMES)
def test_eight_bits_answer_as_the_module_did(name, network, context):
    before = network(name)
    quantized = finish(Quantize().run(before, context))
    expected = own(before, context)
    assert np.abs(own(quantized, context) - expected).max() < 0.06 * np.abs(expected).max()
    assert np.abs(shipped(quantized, context) - expected).max() < 0.06 * np.abs(expected).max()
    left = {o.tensor: o.reason for o in context.outcomes["quantize"] if not o.change}
    assert left == ({"aux.weight": "plays no part in the answers"} if name == "Auxiliary" else {})
    codes = sum(codes.numel() for codes, _ in each_once(quantized).values())
    changed = [o.num_weights for o in context.outcomes["quantize"] if o.change]
    assert codes == sum(changed)
    files = dump(quantized)
    again = restore(files["weights.safetensors"], files["spec.json"])
    assert np.array_equal(own(again, context), own(quantized, context))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "step",
    [
        Quantize(2, ends_bits=2, training=Train(learning_rate=Cosine(1e-3), epochs=1)),
        Clip(0.5),
        Binarize(epochs=1),
        Factorize(share=0.25),
    ],
    ids=["2 bits", "Clip", "Binarize", "Factorize"],
)
def test_what_is_changed_ships_as_it_computes(step, name, network, context):
    changed = finish(step.run(network(name), context))
    answers = own(changed, context)
    assert np.abs(shipped(changed, context) - answers).max() < 0.05 * np.abs(answers).max()


def test_what_is_left_alone_has_its_reason(network, context):
    Factorize(share=0.25).apply(network("Tied"), context)
    assert {o.tensor: o.reason for o in context.outcomes["factorize"]} == {
        "first.weight": "shares its weights with another layer",
        "head.weight": "",
    }


def test_what_is_kept_stays(network, context):
    step = Quantize(keep=("first",))
    quantized = finish(step.run(network("Tied"), context))
    assert list(quantized.spec.layer_edits) == ["head"]
    with pytest.raises(Rejected, match="unknown layer 'haed'; did you mean 'head'"):
        finish(replace(step, keep=("haed",)).run(network("Tied"), context))
    with pytest.raises(Rejected, match="unknown layer 'nope'; known: first, "):
        finish(replace(step, keep=("nope",)).run(network("Tied"), context))


def test_where_nothing_can_change_all_reasons_are_told(network, context):
    with pytest.raises(Rejected, match=r"^Step could change nothing: first, head: is odd$"):
        changeable(network("Tied"), context, "Step", (), lambda weight: "is odd")


@pytest.mark.parametrize("bits", [8, 4, 3, 1.58, 1])
@pytest.mark.parametrize("width", [16, 600])
def test_an_embedding_is_stored_in_few_bits_and_looked_up_as_codes(bits, width, context):
    data = load(DATASETS[TEXT])
    family = Transformer((TransformerLayer(2, 16),), width=width)
    network = built(family, TEXT, len(data.info.classes))
    step = Quantize(bits, ends_bits=bits, training=Train(epochs=0))
    quantized = finish(step.run(network, replace(context, data=data)))
    coded = coded_weight(quantized.body.embedding)
    assert coded.bits == bits and coded.axis == (0 if width * bits >= 512 else 1)
    file = onnx.export(quantized, data)
    assert broken_claim(file, runtime.optimised(file), claims(quantized)) == ""
    rows = data.validation.inputs[:64]
    answers = predict(Deployed(quantized, data.info), torch.from_numpy(rows)).numpy()
    given = runtime.run(runtime.session(file), rows)
    assert np.abs(given - answers).max() < 0.02 * np.abs(answers).max()
    # What stays in memory are the codes: no table of fp32 numbers is made at load.
    kept = load_from_string(runtime.optimised(file)).graph.initializer
    assert not [t for t in kept if t.data_type == 1 and list(t.dims) == [256, width]]


@pytest.mark.parametrize("name", ["ReadsAttributes", "Recurrent", "Attention", "Experts"])
def test_inputs_may_be_rounded_by_their_own_range(name, network, context):
    before = network(name)
    quantized = finish(Quantize(activation_bits=None).run(before, context))
    expected = own(before, context)
    assert np.abs(shipped(quantized, context) - expected).max() < 0.06 * np.abs(expected).max()
    optimised = load_from_string(runtime.optimised(onnx.export(quantized, context.data)))
    kinds = [node.op_type for node in optimised.graph.node]
    assert {"MatMulIntegerToFloat", "DynamicQuantizeMatMul", "MatMulInteger"} & set(kinds)


def test_frozen_layers_stay_frozen(context, build):
    before = build(Imported(frozen_module))
    weight = before.body[1].weight.detach().clone()
    step = Quantize(2, training=Train(learning_rate=Cosine(1e-2), epochs=1))
    start = [p.requires_grad for p in finish(step.run(before, context)).body[1].parameters()]
    assert not any(start) and torch.equal(before.body[1].weight, weight)


def frozen_module():
    module = chained(nn.Linear(64, 64))
    module[1].requires_grad_(False)
    return module


@pytest.mark.parametrize(
    ("groups", "outputs", "is_integer"),
    [(1, 64, 1), (2, 64, 1), (16, 64, 0), (64, 64, 1), (64, 128, 0)],
)
def test_convolutions_of_narrow_groups_compute_with_floats(
    groups, outputs, is_integer, context, build
):
    network = build(Imported(grouped, options={"groups": groups, "outputs": outputs}))
    quantized = finish(Quantize().run(network, context))
    assert claims(quantized).integer_convolutions == 1 + is_integer
    change = {o.tensor: o.change for o in context.outcomes["quantize"]}["1.weight"]
    assert change == "8 bits" + ", computed with floats, which is faster for such groups" * (
        not is_integer
    )
    answers = own(quantized, context)
    assert np.abs(shipped(quantized, context) - answers).max() < 0.05 * np.abs(answers).max()


def grouped(groups, outputs):
    layers = nn.Conv2d(1, 64, 1), nn.Conv2d(64, outputs, 3, padding=1, groups=groups), nn.ReLU()
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(outputs, 10))


def test_the_ends_are_the_first_and_the_last_that_are_called(build, context):
    step = Quantize(bits=2, training=Train(epochs=0))
    finish(step.run(build(Imported(HeadFirst)), context))
    finish(Binarize(epochs=1, ends=False).run(build(Imported(HeadFirst)), context))
    quantized, binary = context.outcomes["quantize"], context.outcomes["binarize"]
    assert {o.tensor: o.change for o in quantized} == {
        "head.weight": "8 bits",
        "stem.weight": "8 bits",
        "first.weight": "2 bits",
        "matrix": "2 bits",
    }
    assert {o.tensor for o in binary if o.change} == {"first.weight", "matrix"}
