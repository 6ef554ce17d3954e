"""Multiply-accumulates against formulas that are written out by hand."""

import numpy as np
import onnx
import pytest
from helpers.graphs import file_of, node, ones
from helpers.trials import DIGITS, finish, load
from onnx import TensorProto, helper

from automl.compression.quantization_grid import TERNARY
from automl.compression.quantize import Quantize
from automl.export import onnx as exporting
from automl.measure.macs import macs_by_node
from automl.measure.numbered_graph import numbered
from automl.models.mlp import MLP
from automl.models.resnet import ResNet, ResNetStage
from automl.runtimes.node_runs import made_up_feed
from automl.runtimes.onnx import session
from automl.training.loop import Train

IMAGE = {"x": ("batch", 6, 10, 10)}
CODES = TensorProto.UINT8
ROWS = {"x": ("batch", 5, 12)}


def count(file, batch=1):
    """The multiply-accumulates of a call with so many rows."""
    feed = made_up_feed(session(file), batch)
    return sum(macs_by_node(numbered(onnx.load_from_string(file)), feed).values())


def quantized_convolution():
    held = {"one": np.float32(1), "zero": np.uint8(0), "w": ones(8, 6, 3, 3, dtype=np.int8)}
    held |= {"none": np.int8(0)}
    made = node("QLinearConv", "x one zero w one none one zero", "y")
    return file_of([made], IMAGE, ["y"], CODES, **held)


FILES = {
    "Conv": (
        file_of([node("Conv", "x w", "y", pads=[1] * 4)], IMAGE, ["y"], w=ones(8, 6, 3, 3)),
        8 * 10 * 10 * 6 * 3 * 3,
    ),
    "Conv of groups and strides": (
        file_of(
            [node("Conv", "x w", "y", group=3, strides=[2, 2])], IMAGE, ["y"], w=ones(9, 2, 3, 3)
        ),
        9 * 4 * 4 * 2 * 3 * 3,
    ),
    "ConvTranspose": (
        file_of([node("ConvTranspose", "x w", "y")], IMAGE, ["y"], w=ones(6, 4, 2, 2)),
        6 * 10 * 10 * 4 * 2 * 2,
    ),
    "ConvInteger": (
        file_of(
            [node("ConvInteger", "x w", "y")],
            IMAGE,
            ["y"],
            CODES,
            w=ones(8, 6, 3, 3, dtype=np.uint8),
        ),
        8 * 8 * 8 * 6 * 3 * 3,
    ),
    "QLinearConv": (quantized_convolution(), 8 * 8 * 8 * 6 * 3 * 3),
    "MatMul": (file_of([node("MatMul", "x w", "y")], ROWS, ["y"], w=ones(12, 7)), 5 * 12 * 7),
    "MatMul of two that change": (
        file_of(
            [node("Transpose", "x", "t", perm=[0, 2, 1]), node("MatMul", "x t", "y")], ROWS, ["y"]
        ),
        5 * 5 * 12,
    ),
    "MatMulInteger": (
        file_of(
            [node("MatMulInteger", "x w", "y")],
            {"x": ("batch", 12)},
            ["y"],
            CODES,
            w=ones(12, 7, dtype=np.int8),
        ),
        12 * 7,
    ),
    "Gemm that lies turned": (
        file_of([node("Gemm", "x w", "y", transB=1)], {"x": ("batch", 12)}, ["y"], w=ones(7, 12)),
        12 * 7,
    ),
    "Einsum": (
        file_of([node("Einsum", "x w", "y", equation="bsi,oi->bso")], ROWS, ["y"], w=ones(7, 12)),
        5 * 12 * 7,
    ),
    "LSTM": (
        file_of(
            [
                node("Transpose", "x", "t", perm=[1, 0, 2]),
                node("LSTM", "t w r", "y", hidden_size=4),
            ],
            ROWS,
            ["y"],
            w=ones(1, 16, 12),
            r=ones(1, 16, 4),
        ),
        5 * (16 * 12 + 16 * 4),
    ),
    "of what no input changes": (
        file_of(
            [node("MatMul", "a a", "w"), node("MatMul", "x w", "y")], ROWS, ["y"], a=ones(12, 12)
        ),
        5 * 12 * 12,
    ),
}


@pytest.mark.parametrize("name", FILES)
def test_multiply_accumulates_are_those_of_the_formula(name):
    file, expected = FILES[name]
    assert count(file) == expected
    assert count(file, 3) == 3 * expected


def test_a_loop_counts_as_often_as_it_runs():
    body = helper.make_graph(
        [node("MatMul", "before w", "after"), node("Identity", "go", "on")],
        "body",
        [
            helper.make_tensor_value_info("i", TensorProto.INT64, []),
            helper.make_tensor_value_info("go", TensorProto.BOOL, []),
            helper.make_tensor_value_info("before", TensorProto.FLOAT, None),
        ],
        [
            helper.make_tensor_value_info("on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("after", TensorProto.FLOAT, None),
        ],
    )
    held = {"three": np.int64(3), "true": np.True_, "w": ones(12, 12)}
    file = file_of([node("Loop", "three true x", "y", body=body)], ROWS, ["y"], **held)
    assert count(file) == 3 * 5 * 12 * 12


def test_a_residual_network_has_those_of_its_convolutions(build):
    network = build(ResNet((ResNetStage(16, 1), ResNetStage(32, 1))))
    stem, first = 64 * 16 * 1 * 9, 2 * 64 * 16 * 16 * 9
    second = 16 * 32 * 16 * 9 + 16 * 32 * 32 * 9 + 16 * 32 * 16
    assert count(exporting.export(network, load(DIGITS))) == stem + first + second + 32 * 10


@pytest.mark.parametrize("bits", [8, 6, 5, 4, 3, 2, TERNARY, 1])
def test_the_bits_of_weights_do_not_change_them(bits, build, context):
    step = Quantize(bits, training=Train(epochs=0), rounding="nearest")
    network = finish(step.run(build(MLP((32, 16))), context))
    assert count(exporting.export(network, load(DIGITS))) == 64 * 32 + 32 * 16 + 16 * 10


def test_what_a_function_multiplies_counts_where_an_input_changes_it():
    made = onnx.parser.parse_function(
        '<opset_import: ["" : 20], domain: "own"> Product (a, b) => (c) { c = MatMul (a, b) }'
    )
    calls = [
        helper.make_node("Product", ["a", "a"], ["w"], domain="own"),
        helper.make_node("Product", ["x", "w"], ["y"], domain="own"),
    ]
    model = onnx.load_from_string(file_of(calls, ROWS, ["y"], a=ones(12, 12)))
    model.functions.append(made)
    model.opset_import.append(helper.make_opsetid("own", 1))
    assert count(model.SerializeToString()) == 5 * 12 * 12
