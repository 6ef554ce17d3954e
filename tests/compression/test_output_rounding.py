import pytest
import torch
from helpers.trials import finish
from torch import nn

from automl.compression.quantize import Quantize
from automl.compression.rounded_inputs import INPUT, OUTPUT
from automl.export import onnx
from automl.export.claims import claims
from automl.measure import gate
from automl.models.convnet import ConvNet
from automl.models.deployed import Deployed, predict
from automl.models.imported import Imported


class Net(nn.Module):
    """A convolution whose result, after a relu, two read; then a second one and a classifier."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Conv2d(1, 8, 3, padding=1), nn.Conv2d(8, 8, 3, padding=1)
        self.relu, self.more = nn.ReLU(), nn.ReLU()
        self.head = nn.Linear(8, 10)

    def forward(self, rows):
        made = self.relu(self.first(rows))
        return self.head((made + self.more(self.second(made))).mean((2, 3)))


class Shared(Net):
    """The same relu after the first convolution and, where it matters, elsewhere."""

    def forward(self, rows):
        made = self.relu(self.first(rows))
        return self.head(self.relu((made + self.second(made)).mean((2, 3)) - 0.1))


class Functional(Net):
    def forward(self, rows):
        made = torch.relu(self.first(rows))
        return self.head((made + nn.functional.relu(self.second(made))).mean((2, 3)))


class InPlace(Net):
    def forward(self, rows):
        made = self.first(rows).relu_()
        return self.head((made + self.second(made).relu()).mean((2, 3)))


class ReadBefore(Net):
    """The first convolution's result is read before the relu, too."""

    def forward(self, rows):
        made = self.first(rows)
        return self.head((made + self.second(self.relu(made))).mean((2, 3)))


class ByShape(Net):
    """Which layers run depends on the shape of the rows."""

    def forward(self, rows):
        return super().forward(rows) if rows.shape[-1] == 8 else self.head(rows)


class Chain(Net):
    """Between the convolutions stands nothing but what a rounding passes."""

    def forward(self, rows):
        return self.head(self.second(torch.relu(self.first(rows))).mean((2, 3)))


class Branches(Net):
    """Two convolutions alone read the first one's result, right as it is."""

    def __init__(self):
        super().__init__()
        self.gate = nn.Conv2d(8, 8, 1)

    def forward(self, rows):
        made = self.first(rows)
        return self.head((self.second(made) * self.gate(made)).mean((2, 3)))


@pytest.fixture
def shipped(build, context):
    """Quantizes a module, holds it against its float answers and the gate, and gives its body."""

    def shipped(module):
        network, info = build(Imported(module)), context.data.info
        inputs = context.data.validation.inputs
        rows = torch.from_numpy(inputs)
        before = predict(Deployed(network, info), rows)
        quantized = finish(Quantize().run(network, context))
        after = predict(Deployed(quantized, info), rows)
        assert (after - before).abs().max() < 0.05 * (before.max() - before.min())
        file, claimed = onnx.export(quantized, context.data), claims(quantized)
        gate.check(file, inputs, gate.Expected(after.numpy()), claimed=claimed)
        convolutions = [one for one in quantized.body.modules() if isinstance(one, nn.Conv2d)]
        assert claimed.integer_convolutions == len(convolutions)
        return quantized.body

    return shipped


def rounded(body):
    """The zero points of the results that are rounded, by layer."""
    found = {n: m for n, m in body.named_modules() if n.endswith(f".{OUTPUT}")}
    return {n.removesuffix(f".{OUTPUT}"): int(m.zero_point) for n, m in found.items()}


@pytest.mark.parametrize("module", [Net, ByShape])
def test_a_relu_right_after_a_convolution_becomes_part_of_its_rounding(module, shipped):
    body = shipped(module)
    assert rounded(body) == {"first": 0, "second": 0}
    assert isinstance(body.relu, nn.Identity) and isinstance(body.more, nn.Identity)


def test_a_relu_that_works_elsewhere_too_stays(shipped):
    body = shipped(Shared)
    assert isinstance(body.relu, nn.ReLU)
    found = rounded(body)
    assert found["first"] == 0 and found["second"] > 0


@pytest.mark.parametrize("module", [Functional, InPlace])
def test_before_a_functional_relu_no_step_is_spent_on_what_it_cuts_off(module, shipped):
    assert rounded(shipped(module)) == {"first": 0, "second": 0}


def test_a_result_that_is_read_before_its_relu_keeps_what_is_below_0(shipped):
    body = shipped(ReadBefore)
    assert rounded(body)["first"] > 0 and isinstance(body.relu, nn.ReLU)


def test_what_a_quantized_layer_alone_reads_is_rounded_there(shipped):
    assert list(rounded(shipped(Chain))) == ["second"]


def test_what_several_quantized_layers_alone_read_is_rounded_once(shipped):
    body = shipped(Branches)
    assert list(rounded(body)) == ["second", "gate"]
    grids = [body.get_submodule(name).get_submodule(INPUT).scale for name in ("second", "gate")]
    assert grids[0] == grids[1]


def test_a_family_of_ours_has_no_relu_left_after_a_rounded_convolution(build, context):
    quantized = finish(Quantize().run(build(ConvNet((8, 8))), context))
    assert all(zero == 0 for zero in rounded(quantized.body).values())
