"""A file holds equal tensors once, and answers as before."""

import numpy as np
import onnx
import onnxruntime
import torch
from helpers.held_arrays import file_of
from helpers.trials import finish
from torch import nn

from automl.compression.quantize import Quantize
from automl.export import onnx as export
from automl.export import shared_tensors
from automl.export.claims import broken_claim, claims
from automl.models.family import untrained
from automl.models.imported import Imported
from automl.runtimes import onnx as runtime


def shared(*arrays):
    """The names that are left of arrays, of which the model must give the same again."""
    proto = file_of(*arrays)
    shared_tensors.share(proto.graph)
    onnx.checker.check_model(proto, full_check=True)
    answers = onnxruntime.InferenceSession(proto.SerializeToString()).run(None, {})
    for answer, array in zip(answers, arrays, strict=True):
        assert (answer.shape, answer.dtype) == (array.shape, array.dtype)
        assert answer.tobytes() == array.tobytes()
    return [tensor.name for tensor in proto.graph.initializer]


def some(*shape, dtype=np.float32):
    return np.random.default_rng(0).integers(-90, 90, shape).astype(dtype)


def test_equal_tensors_are_held_once():
    array = some(20, 30)
    assert shared(array, array, array + 1, array) == ["w0", "w2"]
    assert shared(array, array.T.copy(), array.T.copy(), array) == ["w0"]
    square = some(20, 20)
    assert shared(square, square.T.copy(), square) == ["w0"]
    kernel = some(4, 4, 5, 5)
    assert shared(kernel, kernel.T.copy(), kernel) == ["w0", "w1"]


def test_tensors_that_differ_in_type_shape_or_sign_of_a_zero_stay():
    array = some(20, 30)
    zeros = np.zeros((20, 30), np.float32)
    assert len(shared(array, array.astype(np.float64), array.reshape(30, 20), array[None])) == 4
    assert len(shared(zeros, np.negative(zeros))) == 2
    assert len(shared(some(2, 3), some(2, 3))) == 2


class Again(nn.Module):
    """A layer that runs three times over the last of three dimensions, and a tied head."""

    def __init__(self):
        super().__init__()
        self.embed, self.layer = nn.Linear(8, 64), nn.Linear(64, 64)
        self.head = nn.Linear(64, 64, bias=False)
        self.head.weight = self.layer.weight
        self.last = nn.Linear(64, 10)

    def forward(self, rows):
        x = self.embed(rows.squeeze(1))
        for _ in range(3):
            x = x + self.layer(x).relu()
        return self.last(self.head(x.mean(1)))


def again():
    torch.manual_seed(0)
    return Again()


def test_a_layer_that_runs_again_is_in_the_file_once(context):
    network = untrained(Imported(again), context.data.info).eval()
    file = export.export(network, context.data)
    numbers = sum(parameter.numel() for parameter in network.parameters())
    assert len(file) < 4 * numbers + 3000
    rows = context.data.validation.inputs
    expected = export.Deployed(network, context.data.info)(torch.from_numpy(rows)).detach()
    answers = runtime.run(runtime.session(file), rows)
    assert np.allclose(answers, expected, atol=1e-5)
    loaded = onnx.load_from_string(runtime.optimised(file)).graph.node
    assert "Transpose" not in {node.op_type for node in loaded}


def test_codes_of_a_layer_that_runs_again_are_in_the_file_once(context):
    network = untrained(Imported(again), context.data.info).eval()
    quantized = finish(Quantize(bits=4).run(network, context))
    file = export.export(quantized, context.data)
    claimed = claims(quantized)
    assert broken_claim(file, runtime.optimised(file), claimed) == ""
    assert sum(w.dtype == np.int8 for w in export.weights(file).values()) >= 3
