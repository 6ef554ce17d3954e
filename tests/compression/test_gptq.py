"""Codes that make up for each other keep what layers give better than the nearest ones."""

from dataclasses import replace
from functools import partial

import pytest
import torch
from helpers.trials import finish
from torch import nn

from automl.compression.calibration import seen_rows
from automl.compression.changeable import changeable
from automl.compression.coded_weight import each_once
from automl.compression.gptq import fitting_scale, fitting_weight, rounded_codes, within_cells
from automl.compression.layer_inputs import products_of
from automl.compression.quantization_grid import (
    LIMITS,
    codes_at,
    codes_of,
    levels_with_zero,
    weight_scale,
)
from automl.compression.quantize import Quantize
from automl.export import onnx
from automl.export.claims import broken_claim, claims
from automl.models.convnet import ConvNet
from automl.models.deployed import predict
from automl.models.family import untrained
from automl.models.imported import Imported
from automl.models.mlp import MLP
from automl.models.mobilenet import MobileNet, MobileNetStage
from automl.runtimes import onnx as runtime
from automl.training.loop import Train

UNTAUGHT = Train(epochs=0)
FEW = [bits for bits in LIMITS if bits < 8]
ALL = torch.ones(2, 6, 12, dtype=torch.bool)
"""Weights that are free to get any code, as `made` makes them."""


def made(bits, groups=2, outputs=6, inputs=12):
    """Weights, their scales, the square of inputs that go together, and what codes them."""
    torch.manual_seed(0)
    weights = torch.randn(groups, outputs, inputs)
    read = torch.randn(300, groups, inputs) @ torch.randn(groups, 1, inputs, inputs)[0]
    square = torch.einsum("rgi,rgj->gij", read, read) / len(read)
    scale = torch.stack([weight_scale(own, bits) for own in weights])[:, :, None]
    return weights, scale, square, lambda scaled: codes_of(scaled, bits)


def lost(weights, given, square):
    """What results change by, on the mean of squares."""
    moved = weights - given
    return (moved @ square * moved).sum().item()


@pytest.mark.parametrize("bits", FEW)
def test_less_is_lost_than_by_the_nearest_codes(bits):
    weights, scale, square, code = made(bits)
    nearest, codes = code(weights / scale), rounded_codes(weights, scale, square, code, ALL)
    assert torch.equal(codes, code(codes))
    fitting = fitting_scale(weights, codes, square, scale)
    assert (fitting > 0).all()
    least = lost(weights, codes * fitting, square)
    assert least <= lost(weights, codes * scale, square)
    assert least < 0.85 * lost(weights, nearest * scale, square)


@pytest.mark.parametrize("bits", FEW)
def test_training_begins_where_weights_were_but_for_those_of_another_code(bits):
    weights, scale, square, code = made(bits)
    scaled, codes = weights / scale, rounded_codes(weights, scale, square, code, ALL)
    near = within_cells(scaled, codes, codes_at(bits))
    assert torch.equal(code(near), codes)
    stays = code(scaled) == codes
    assert 0 < stays.sum() < stays.numel()
    assert ((near - scaled).abs()[stays] <= 0.0101).all()


def test_inputs_that_have_nothing_to_do_with_each_other_leave_the_nearest_codes():
    weights, scale, _, code = made(3)
    square = torch.diag_embed(torch.rand(2, 12) + 0.1)
    assert torch.equal(rounded_codes(weights, scale, square, code, ALL), code(weights / scale))


@pytest.mark.parametrize("bits", FEW[:-1])
def test_weights_that_are_to_stay_0_get_the_code_0_and_others_make_up_for_it(bits):
    """Also where they would best be another number, once the layers before are rounded."""
    weights, _, square, _ = made(bits, groups=20, outputs=8, inputs=24)
    free, levels = torch.rand(weights.shape) > 0.4, levels_with_zero(bits)
    scale = torch.stack([weight_scale(own, bits, levels) for own in weights * free])[:, :, None]
    code = partial(codes_of, bits=bits, levels=levels)
    for wanted in (weights * free, weights):
        nearest = code(wanted / scale) * free
        codes = rounded_codes(wanted, scale, square, code, free)
        assert (codes[~free] == 0).all()
        assert torch.equal(codes, code(codes))
        assert lost(wanted, codes * scale, square) < 0.95 * lost(wanted, nearest * scale, square)


def test_an_input_that_is_always_0_is_no_trouble():
    weights, scale, square, code = made(2)
    square[:, 3] = square[:, :, 3] = 0
    codes = rounded_codes(weights, scale, square, code, ALL)
    assert torch.equal(codes[:, :, 3], code(weights / scale)[:, :, 3])
    nothing = torch.zeros_like(square)
    assert torch.equal(rounded_codes(weights, scale, nothing, code, ALL), code(weights / scale))
    assert torch.equal(fitting_scale(weights, codes, nothing, scale), scale)


def test_a_weight_makes_up_for_what_is_read_otherwise():
    weights, _, square, _ = made(2)
    torch.testing.assert_close(
        fitting_weight(weights, square, square), weights, atol=1e-4, rtol=1e-4
    )
    before = torch.randn(500, 2, 12)
    after = 0.8 * before + 0.3 * before.flip(2) + 0.05 * torch.randn(500, 2, 12)
    square, shared = (
        torch.einsum("rgi,rgj->gij", own, after) / len(after) for own in (after, before)
    )
    wanted, fitting = weights @ before[..., None], fitting_weight(weights, square, shared)
    error = (fitting @ after[..., None] - wanted).square().mean()
    assert error < 0.1 * (weights @ after[..., None] - wanted).square().mean()


class Odd(nn.Module):
    """Layers of every kind: grouped, padded by other than zeros, called twice, a table."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(1, 8, 3, padding=1, padding_mode="circular")
        self.grouped = nn.Conv2d(8, 8, (3, 1), stride=2, padding=(1, 0), groups=4, dilation=(1, 2))
        self.twice = nn.Conv2d(8, 8, 1, padding="same")
        self.flat, self.series = nn.Linear(16, 16), nn.Conv1d(8, 8, 3)
        self.table, self.head = nn.Parameter(torch.randn(32, 16) / 4), nn.Linear(32 + 8, 10)

    def forward(self, inputs):
        x = self.grouped(self.first(inputs).relu()).relu()
        x = self.twice(self.twice(x).relu()).relu().flatten(2)
        x = self.flat(x).relu()
        return self.head(torch.cat([self.series(x).amax(2), x.mean(1) @ self.table.T], 1))


def odd():
    torch.manual_seed(0)
    return Odd()


@pytest.mark.parametrize(
    "family",
    [MLP((32,)), MobileNet((MobileNetStage(8),)), Imported(odd)],
    ids=["mlp", "depthwise", "odd"],
)
@pytest.mark.parametrize("bits", [3, 1.58])
def test_the_answers_stay_nearer_and_the_file_gives_them(family, bits, build, context):
    network = untrained(family, context.data.info).eval()
    rows = seen_rows(network, context)
    whole, errors = predict(network, rows), []
    for rounding in ("nearest", "gptq", "gptaq"):
        step = Quantize(bits, ends_bits=bits, training=UNTAUGHT, rounding=rounding)
        quantized = finish(step.run(network, replace(context, outcomes={})))
        errors.append((predict(quantized, rows) - whole).square().mean().item())
    assert max(errors[1:]) < 0.7 * errors[0]
    assert len(each_once(quantized)) == len(
        changeable(network, context, "Quantize", (), lambda weight: "").weights
    )
    file = onnx.export(quantized, context.data)
    assert broken_claim(file, runtime.optimised(file), claims(quantized)) == ""
    given = runtime.run(runtime.session(file), context.data.validation.inputs[:64])
    assert given.shape == (64, 10)


def test_weights_of_8_bits_and_the_network_before_stay_as_they_are(build, context):
    network = build(ConvNet((8, 8)))
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    codes = {}
    for rounding in ("nearest", "gptq"):
        step = Quantize(4, training=UNTAUGHT, rounding=rounding)
        quantized = finish(step.run(network, context))
        codes[rounding] = [codes for codes, _ in each_once(quantized).values()]
    first, second, last = (
        torch.equal(*pair) for pair in zip(codes["nearest"], codes["gptq"], strict=True)
    )
    assert (first, second, last) == (True, False, True)
    assert all(torch.equal(network.state_dict()[name], own) for name, own in before.items())


class Chooser(nn.Module):
    """Takes some rows one way and some another, by what a layer gives."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Linear(64, 16), nn.Linear(16, 16)
        self.never, self.head = nn.Linear(16, 16), nn.Linear(16, 10)

    def forward(self, inputs):
        x = self.first(inputs.flatten(1))
        chosen = x[:, 0] > 0
        x = x.clone()
        x[chosen] = self.second(x[chosen])
        x += self.head(x).mean()
        return self.head(x)


def chooser():
    torch.manual_seed(0)
    return Chooser()


def test_rows_may_go_another_way_once_layers_before_are_rounded(build, context):
    step = Quantize(2, ends_bits=2, training=UNTAUGHT, activation_bits=None, rounding="gptaq")
    network = build(Imported(chooser))
    quantized = finish(step.run(network, context))
    assert len(each_once(quantized)) == 4
    assert torch.isfinite(predict(quantized, seen_rows(quantized, context))).all()
    never = network.body.get_submodule("never")
    assert products_of(network, network, "never", never, context) is None
