"""Files that do not hold what their model claims are found out."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from helpers.trials import finish, load
from onnx import helper, load_from_string, numpy_helper
from torch import nn

from automl.compression.quantization_grid import LIMITS, codes_of, weight_scale
from automl.compression.quantize import Quantize
from automl.data.linear_map import LinearMap
from automl.export import onnx
from automl.export.claims import alike, broken_claim, claims
from automl.models.convnet import ConvNet
from automl.models.family import untrained
from automl.models.imported import Imported
from automl.models.linear import Linear
from automl.runtimes import onnx as runtime
from automl.training.loop import Train


@pytest.fixture
def shipped(build, context):
    quantized = finish(Quantize(bits=4).run(build(ConvNet((16, 16))), context))
    file = onnx.export(quantized, context.data)
    return file, runtime.optimised(file), claims(quantized)


def test_a_true_claim_holds(shipped):
    file, optimised, claimed = shipped
    assert claimed.bits == {8: 9 * 16 + 160, 4: 9 * 16 * 16}
    assert claimed.integer_convolutions == 2
    assert broken_claim(file, optimised, claimed) == ""


def test_wider_weights_than_claimed_are_found(shipped, build, context):
    _, _, claimed = shipped
    wider = onnx.export(finish(Quantize().run(build(ConvNet((16, 16))), context)), context.data)
    assert broken_claim(wider, runtime.optimised(wider), claimed) == (
        "holds 2608 weights of 8 bits, where 2304 weights of 4 bits, 304 weights of 8 bits "
        "are claimed"
    )


def with_copy(file, codes, reshaped, is_read=True):
    """The file with fp32 numbers beside the codes that were made of them."""
    proto = load_from_string(file)
    rng = np.random.default_rng(0)
    weight = codes + rng.uniform(-0.5, 0.5, codes.shape) * (rng.random((len(codes), 1, 1, 1)) + 1)
    copy = numpy_helper.from_array(reshaped(weight).astype(np.float32), "copy")
    proto.graph.initializer.append(copy)
    if is_read:
        proto.graph.node.append(helper.make_node("Identity", ["copy"], ["copied"]))
    return proto.SerializeToString()


@pytest.mark.parametrize(
    "reshaped",
    [
        lambda weight: weight,
        lambda weight: weight.reshape(16, -1).T,
        lambda weight: weight.transpose(2, 3, 1, 0),
        lambda weight: -3 * weight,
        np.ravel,
    ],
)
def test_a_weight_that_is_there_in_floats_as_well_is_found(shipped, reshaped):
    file, optimised, claimed = shipped
    codes = next(codes for bits, codes in claimed.codes if bits == 4)
    assert broken_claim(with_copy(file, codes, reshaped), optimised, claimed) == (
        "holds 2304 numbers of 32 bits that are weights, where 4 bits are claimed"
    )


def test_what_nothing_reads_is_found(shipped):
    file, optimised, claimed = shipped
    unread = with_copy(file, claimed.codes[1][1], np.ravel, is_read=False)
    assert broken_claim(unread, optimised, claimed) == "holds 1 tensors that nothing reads"


@pytest.mark.parametrize("bits", LIMITS)
def test_a_copy_of_any_width_of_codes_is_known_and_other_numbers_are_not(bits):
    rng = np.random.default_rng(0)
    for shape in ((64, 32), (40, 1, 3, 3), (16, 8, 3, 3), (8, 4, 3, 3, 3), (12, 6, 5)):
        weight = rng.normal(size=shape)
        rows = torch.tensor(weight).flatten(1)
        scale = weight_scale(rows, bits)[:, None]
        codes = codes_of(rows / scale, bits).numpy().astype(np.int8).reshape(shape)
        order = tuple(reversed(range(len(shape))))
        assert alike(codes, weight)
        assert alike(codes, weight.transpose(order))
        for other in (rng.normal(size=shape), np.ones(shape), np.arange(codes.size) * 1.0):
            assert not alike(codes, other)


def test_long_names_and_many_columns_are_no_dead_weight(shipped, build, context):
    data, (_, optimised, claimed) = context.data, shipped
    named = replace(data.info, classes=tuple(200 * name for name in data.info.classes))
    quantized = finish(Quantize(bits=4).run(build(ConvNet((16, 16))), context))
    file = onnx.export(quantized, replace(data, info=named))
    assert broken_claim(file, optimised, claimed) == ""
    wide = replace(context, data=load(LinearMap(num_inputs=512)))
    quantized = finish(Quantize().run(untrained(Linear(), wide.data.info), wide))
    file = onnx.export(quantized, wide.data)
    assert broken_claim(file, runtime.optimised(file), claims(quantized)) == ""


def test_convolutions_that_are_not_integer_are_found(shipped):
    file, _, claimed = shipped
    assert broken_claim(file, file, claimed) == "runs 0 of 2 convolutions as integer ones"


class Buffers(nn.Module):
    """Tables in buffers and made in forward, norms that are not folded, a layer for nothing."""

    def __init__(self):
        super().__init__()
        self.embed = nn.Linear(8, 32)
        self.register_buffer("table", torch.randn(8, 32))
        self.register_buffer("mask", torch.full((8, 8), -1e9).triu(1), persistent=False)
        self.constant = torch.randn(32, 32)
        self.query, self.key, self.value = (nn.Linear(32, 32) for _ in range(3))
        self.wide, self.norm, self.pooler = nn.Linear(32, 300), nn.BatchNorm1d(300), nn.Linear(8, 8)
        self.head = nn.Linear(300, 10)

    def forward(self, rows):
        x = self.embed(rows.squeeze(1)) + self.table + torch.arange(256.0).reshape(8, 32) / 256
        x = x + x @ self.constant * 0.01
        weights = self.query(x) @ self.key(x).transpose(1, 2) + self.mask
        x = (weights.softmax(2) @ self.value(x)).mean(1)
        self.pooler(rows.mean((1, 2)))
        return self.head(self.norm(self.wide(x)).sigmoid())


def buffers():
    torch.manual_seed(0)
    return Buffers()


def quantized(module, bits, context):
    """The file of a module with weights of so many bits, and what it claims."""
    network = untrained(Imported(module), context.data.info).eval()
    step = Quantize(bits=bits, training=Train(epochs=0))
    network = finish(step.run(network, context))
    return onnx.export(network, context.data), claims(network)


@pytest.mark.parametrize("bits", [8, 4, 3, 1.58, 1])
def test_tables_norms_and_idle_layers_are_no_dead_weight(bits, context):
    file, claimed = quantized(buffers, bits, context)
    assert broken_claim(file, runtime.optimised(file), claimed) == ""


class Twice(nn.Module):
    """A layer that runs twice, and an embedding that has the head's numbers."""

    def __init__(self):
        super().__init__()
        self.embed, self.layer, self.head = nn.Linear(64, 32), nn.Linear(32, 32), nn.Linear(32, 64)
        self.table = nn.Parameter(self.head.weight.detach().clone())

    def forward(self, rows):
        x = self.layer(self.layer(self.embed(rows.flatten(1))).relu())
        return (self.head(x) + x @ self.table.T)[:, :10]


def test_codes_that_are_read_twice_count_once_and_a_twin_of_a_weight_may_stay(context):
    network = untrained(Imported(Twice), context.data.info).eval()
    quantized = finish(Quantize(keep=("table",)).run(network, context))
    file, claimed = onnx.export(quantized, context.data), claims(quantized)
    assert broken_claim(file, runtime.optimised(file), claimed) == ""
    assert "weights" in broken_claim(file, runtime.optimised(file), replace(claimed, others=()))


class Picks(nn.Module):
    """Looks up numbers of its rows, takes others apart, and has a table of its own for others."""

    def __init__(self):
        super().__init__()
        self.table, self.layer, self.head = nn.Embedding(17, 8), nn.Linear(8, 64), nn.Linear(80, 10)
        self.register_buffer("order", torch.arange(8).flip(0).to(torch.uint8))
        self.register_buffer("signs", torch.tensor([-1, 1] * 8, dtype=torch.int8))

    def forward(self, rows):
        some, others = rows[:, 0][:, 2].chunk(2, -1)
        x = self.layer(torch.cat([some * others, some], 1)).relu()
        picked = self.table(rows[:, 0, -1, 3].long().clamp(0, 16))
        signs = self.signs[self.order.int()][self.order.long()].float()
        return self.head(torch.cat([x, picked, picked * signs], 1))


@pytest.mark.parametrize("bits", [8, 4])
def test_a_network_that_looks_numbers_up_holds_its_claim(bits, context):
    file, claimed = quantized(Picks, bits, context)
    assert broken_claim(file, runtime.optimised(file), claimed) == ""
    assert len(onnx.weights(file)) >= 3
