from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from conftest import finish
from hypothesis import given
from hypothesis import strategies as st

from automl.compression.quantize import Quantize, QuantizedLayer, quantize_layer, weight_scale
from automl.export import onnx
from automl.models.convnet import ConvNet
from automl.models.deployed import predict, seen_by
from automl.models.family import Network, dump, restore
from automl.models.mlp import MLP
from automl.recipe import Rejected
from automl.runtimes import onnx as runtime
from automl.training.loop import Train
from automl.training.schedules import Cosine


@pytest.mark.parametrize("family", [MLP((32,)), ConvNet((16, 16))])
def test_the_file_computes_what_was_calibrated(family, build, context):
    trained = finish(Train(learning_rate=Cosine(0.01), epochs=6).run(build(family), context))
    quantized = Quantize().apply(trained, context)
    rows = context.data.validation
    own = predict(quantized, seen_by(quantized, rows.inputs, context.data.about)).numpy()
    shipped = runtime.run(runtime.session(onnx.export(quantized, context.data)), rows.inputs)
    assert np.abs(own - shipped).max() < 0.05 * np.abs(own).max()
    before = predict(trained, seen_by(trained, rows.inputs, context.data.about)).argmax(1).numpy()
    assert (before == shipped.argmax(1)).mean() > 0.98


def test_every_weight_in_the_file_is_int8(build, context):
    quantized = Quantize().apply(build(ConvNet((16, 16))), context)
    codes = [
        layer.codes.numpy() for layer in quantized.modules() if isinstance(layer, QuantizedLayer)
    ]
    held = list(onnx.weights(onnx.export(quantized, context.data)).values())
    assert len(codes) == 3
    for code in codes:
        assert any(w.dtype == np.int8 and np.array_equal(w, code) for w in held)
    assert sum(w.size for w in held if w.dtype == np.float32) < 0.1 * sum(c.size for c in codes)


def test_a_quantized_model_is_stored_and_restored(build, context):
    quantized = Quantize().apply(build(MLP((16,))), context)
    files = dump(quantized)
    again = restore(files["weights.safetensors"], files["spec.json"]).eval()
    rows = torch.randn(8, 1, 8, 8)
    assert torch.equal(again(rows), quantized(rows))


@given(st.integers(1, 6), st.integers(1, 40), st.integers(0, 1000))
def test_no_two_codes_of_a_sign_can_overflow_a_16_bit_pair(outputs, inputs, seed):
    torch.manual_seed(seed)
    layer = torch.nn.Linear(inputs, outputs)
    layer.weight.data *= torch.logspace(-6, 3, outputs)[:, None]
    codes = quantize_layer(layer, -1.0, 1.0)["codes"].int()
    assert codes.abs().max() <= 127
    for side in (codes, -codes):
        largest = side.clamp_min(0).topk(min(2, inputs), dim=1).values.sum(1)
        assert 255 * largest.max() <= 2**15 - 1
    error = (codes * weight_scale(layer.weight)[:, None] - layer.weight).abs()
    assert (error <= 0.501 * weight_scale(layer.weight)[:, None]).all()


def test_what_is_not_quantized_keeps_its_weights(build, context):
    network = build(MLP((16,)))
    norm = torch.nn.LayerNorm(16)
    torch.nn.init.normal_(norm.weight)
    network.body.block0.add_module("extra", norm)

    @dataclass(frozen=True)
    class WithNorm(MLP):
        def build(self, input_shape, num_outputs):
            body = super().build(input_shape, num_outputs)
            body.block0.add_module("extra", torch.nn.LayerNorm(16))
            return body

    odd = Network(replace(network.spec, model=WithNorm((16,))))
    odd.load_state_dict(network.state_dict())
    quantized = Quantize().apply(odd, context)
    assert torch.equal(quantized.body.block0.extra.weight, norm.weight)


def test_nothing_left_to_quantize_is_rejected(build, context):
    quantized = Quantize().apply(build(MLP((16,))), context)
    with pytest.raises(Rejected, match="no layer left"):
        Quantize().apply(quantized, context)


def test_other_widths_are_refused(build, context):
    with pytest.raises(Rejected, match="3 bits are not supported"):
        Quantize(bits=3).apply(build(MLP((16,))), context)
