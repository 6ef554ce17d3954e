"""The structure of files: equal for other weights, another for other work."""

import pytest
from helpers.trials import finish, load
from onnx.parser import parse_model

from automl.compression.quantize import Quantize
from automl.data.sklearn import Sklearn
from automl.export import onnx as exporting
from automl.measure.structure import computes_with_integers, structure
from automl.models.convnet import ConvNet
from automl.models.family import untrained
from automl.models.mlp import MLP
from automl.runtimes import onnx as runtime

HEAD = '<ir_version: 9, opset_import: ["" : 20]> g (float[N, 4] x) => (float[N, M] y) '


def of(text):
    return structure(parse_model(HEAD + text).SerializeToString())


@pytest.mark.parametrize(
    "other",
    [
        "<float[4, 2] w = {9, 0, 0, 0, 0, 0, 0, 0}> { y = MatMul(x, w) }",
        "<float[4, 2] other = {1, 2, 3, 4, 5, 6, 7, 8}> { y = MatMul(x, other) }",
        "<float[4, 2] w = {1, 2, 3, 4, 5, 6, 7, 8}, float[1] u = {1}> { y = MatMul(x, w) }",
    ],
    ids=["weights", "names", "what nothing reads"],
)
def test_what_does_not_change_the_work_does_not_count(other):
    assert of(other) == of("<float[4, 2] w = {1, 2, 3, 4, 5, 6, 7, 8}> { y = MatMul(x, w) }")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("{ y = Relu(x) }", "{ y = Sigmoid(x) }"),
        ("{ y = LeakyRelu <alpha = 0.1> (x) }", "{ y = LeakyRelu <alpha = 0.2> (x) }"),
        ("<float[1] e = {2}> { y = Pow(x, e) }", "<float[1] e = {1.5}> { y = Pow(x, e) }"),
        (
            "<float[1] e = {2}> { a = Mul(x, e) y = Pow(a, e) }",
            "<float[1] e = {3}> { a = Mul(x, e) y = Pow(a, e) }",
        ),
        (
            "<int64[2] s = {0, 4}> { y = Reshape(x, s) }",
            "<int64[2] s = {0, 2}> { y = Reshape(x, s) }",
        ),
        ("{ a = Relu(x) b = Relu(x) y = Add(a, b) }", "{ a = Relu(x) b = Relu(x) y = Add(a, a) }"),
        ("<float[4] w = {1, 2, 3, 4}> { y = Add(x, w) }", "<float[1] w = {1}> { y = Add(x, w) }"),
        ("<float[1] w = {1}> { y = Add(x, w) }", "<float16[1] w = {1}> { y = Add(x, w) }"),
    ],
    ids=["operator", "attribute", "exponent", "shared exponent", "shape", "wiring", "size", "type"],
)
def test_what_changes_the_work_counts(one, other):
    assert of(one) != of(other)
    assert of(one) == of(one)


def test_bodies_count():
    text = (
        "{ t = Size(x) c = Cast <to = 9> (t) y = If (c) <"
        "then_branch = a () => (float[N, 4] p) { p = OPERATOR(x) }, "
        "else_branch = b () => (float[N, 4] q) { q = Neg(x) }> }"
    )
    relu, again, other = (of(text.replace("OPERATOR", name)) for name in ("Relu", "Relu", "Abs"))
    assert relu == again != other


def test_networks_that_have_learned_otherwise_are_equal_and_wider_ones_not(context, build):
    files = [
        exporting.export(untrained(MLP(widths), load(Sklearn("digits")).info), context.data)
        for widths in ((16,), (16,), (24,))
    ]
    first, again, wider = map(structure, files)
    assert first == again != wider
    assert files[0] != files[1]


def test_what_runs_is_equal_whatever_the_bits_that_are_stored(context, build):
    network = build(ConvNet((8, 8)))
    steps = [Quantize(bits=bits, rounding="nearest") for bits in (8, 5, 4)]
    files = [exporting.export(finish(step.run(network, context)), context.data) for step in steps]
    assert len(set(map(structure, files))) == 3
    assert len({structure(runtime.optimised(file)) for file in files}) == 1
    assert computes_with_integers(files[0])
    assert not computes_with_integers(exporting.export(network, context.data))
