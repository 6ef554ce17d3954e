"""Files that do not hold what their model claims are found out."""

from dataclasses import replace

import pytest
from helpers.trials import finish, load

from automl.compression.quantize import Quantize
from automl.data.linear_map import LinearMap
from automl.export import onnx
from automl.export.claims import broken_claim, claims
from automl.models.convnet import ConvNet
from automl.models.family import untrained
from automl.models.linear import Linear
from automl.runtimes import onnx as runtime


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


def test_dead_weight_is_found(shipped):
    file, optimised, claimed = shipped
    tight = replace(claimed, max_bytes=len(file) - 100)
    assert "more than the" in broken_claim(file, optimised, tight)


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
