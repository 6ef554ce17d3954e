"""Packed weights: the same numbers back, in a smaller file, unpacked once when it loads."""

import numpy as np
import onnx
import onnx.reference
import onnxruntime
import pytest
import torch
from helpers.held_arrays import file_of
from helpers.trials import finish
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import numpy_helper
from torch import nn

from automl.compression.clip import Clip
from automl.compression.quantize import Quantize
from automl.export import onnx as export
from automl.export import sparse
from automl.models.convnet import ConvNet
from automl.models.mlp import MLP
from automl.runtimes import onnx as runtime


def packed_by(name, array):
    """A model that holds an array by this packing wherever that is smaller."""
    proto = file_of(array)
    ways = {0: sparse._ways(proto.graph.initializer[0])}
    sparse._pack_by(proto, ways, [name])
    return proto


def weights(proto):
    held = {t.name: numpy_helper.to_array(t) for t in proto.graph.initializer}
    return sparse.unpacked(proto, held)


def some(shape, dtype, share, seed):
    """An array, this share of which is zero."""
    rng = np.random.default_rng(seed)
    array = rng.integers(-127, 127, shape).astype(dtype)
    array[rng.random(shape) < share] = 0
    return array


def loaded_as(file, folder):
    """The operators left when onnxruntime has loaded a file."""
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(folder / "loaded.onnx")
    options.log_severity_level = 3
    onnxruntime.InferenceSession(file, options)
    graph = onnx.load(folder / "loaded.onnx").graph
    return sorted(node.op_type for node in graph.node)


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.integers(1, 24), min_size=1, max_size=4),
    st.sampled_from([np.float32, np.int8]),
    st.sampled_from([0.0, 0.3, 0.6, 0.9, 0.999, 1.0]),
    st.integers(0, 999),
)
def test_every_packing_gives_the_same_numbers_back(shape, dtype, share, seed):
    array = some(shape, dtype, share, seed)
    for name in sparse.PACKINGS:
        file = packed_by(name, array)
        (held,) = weights(file).values()
        assert (held.dtype, held.tobytes()) == (array.dtype, array.tobytes())
        session = onnxruntime.InferenceSession(file.SerializeToString())
        (answer,) = session.run(None, {})
        assert (answer.dtype, answer.tobytes()) == (array.dtype, array.tobytes())
    packed = file_of(array)
    sparse.pack(packed)
    assert packed.ByteSize() <= file_of(array).ByteSize()


@pytest.mark.parametrize("dtype", [np.float32, np.int8])
@pytest.mark.parametrize(
    ("share", "used"), [(0.02, []), (0.5, ["Bits"]), (0.8, ["Bits"]), (0.95, ["Gaps"])]
)
def test_the_smallest_way_is_taken(dtype, share, used, tmp_path):
    array = some((64, 16, 3, 3), dtype, share, 0)
    proto = file_of(array)
    before = proto.ByteSize()
    sparse.pack(proto)
    onnx.checker.check_model(proto, full_check=True)
    assert [function.name for function in proto.functions] == used
    size = np.dtype(dtype).itemsize
    places = {"Bits": array.size / 8, "Gaps": np.count_nonzero(array)}
    wanted = sum(places[name] for name in used) + size * np.count_nonzero(array)
    assert proto.ByteSize() < (wanted + 700 if used else before + 1)
    (answer,) = onnx.reference.ReferenceEvaluator(proto).run(None, {})
    assert answer.tobytes() == array.tobytes()
    assert loaded_as(proto.SerializeToString(), tmp_path) == []


def test_gaps_above_a_byte_are_bridged():
    for places in ([0, 255, 511, 5000], [256], [70_000, 70_001], [99_999], []):
        array = np.zeros(100_000, np.float32)
        array[places] = 3.0
        proto = packed_by("Gaps", array)
        assert proto.functions
        (answer,) = onnxruntime.InferenceSession(proto.SerializeToString()).run(None, {})
        assert np.array_equal(answer, array)
        assert np.array_equal(weights(proto)["w0"], array)


def test_a_negative_zero_is_a_zero_and_nothing_else_is():
    array = np.full(1000, -0.0, np.float32)
    array[::9], array[1::9] = np.nan, 1e-45
    proto = file_of(array)
    sparse.pack(proto)
    assert proto.functions
    assert np.array_equal(weights(proto)["w0"], array, equal_nan=True)


def test_one_tensor_is_packed_where_another_is_not():
    large, dense = some((100, 100), np.float32, 0.7, 0), some((100, 100), np.float32, 0.0, 1)
    small = some((4, 4), np.float32, 0.7, 2)
    whole = np.arange(50_000, dtype=np.int64) // 49_999
    proto = file_of(large, dense, small, whole)
    sparse.pack(proto)
    assert [node.output[0] for node in proto.graph.node if node.domain] == ["w0"]
    names = ["w0.m", "w0.v", "w0.s", "w1", "w2", "w3"]
    assert [t.name for t in proto.graph.initializer] == names
    assert np.array_equal(weights(proto)["w0"], large)


@pytest.mark.parametrize(("family", "bits"), [(MLP((64,)), 32), (ConvNet((16, 32)), 8)])
def test_a_packed_model_answers_as_the_whole_one(
    family, bits, build, context, monkeypatch, tmp_path
):
    network = build(family)
    network.train()(torch.randn(64, 1, 8, 8))
    for norm in (m for m in network.modules() if isinstance(m, nn.BatchNorm1d | nn.BatchNorm2d)):
        nn.init.normal_(norm.weight)
    clipped = Clip(0.8).apply(network, context)
    model = finish(Quantize().run(clipped, context)) if bits == 8 else clipped
    packed = export.export(model, context.data)
    monkeypatch.setattr(sparse, "pack", lambda proto: None)
    whole = export.export(model, context.data)
    assert len(packed) < (0.4 if bits == 32 else 0.7) * len(whole)
    rows = context.data.validation.inputs
    answers = [runtime.run(runtime.session(file), rows) for file in (packed, whole)]
    assert np.array_equal(*answers)
    assert loaded_as(packed, tmp_path) == loaded_as(whole, tmp_path)
    held = [sorted(w.shape for w in export.weights(file).values()) for file in (packed, whole)]
    assert held[0] == held[1]


def test_a_dense_file_is_not_touched_and_its_tensors_are_not_packed_to_see(monkeypatch):
    """A zero here and there cannot pay for its place."""
    dense = [some((50, 50), dtype, 0.02, 0) for dtype in (np.float32, np.int8)]
    proto = file_of(*dense)
    before = proto.SerializeToString()
    monkeypatch.setattr(sparse, "PACKINGS", {})
    sparse.pack(proto)
    assert proto.SerializeToString() == before


def test_what_a_packing_adds_is_known_without_writing_the_file():
    arrays = [some((40, 40), np.float32, share, 0) for share in (0.0, 0.4, 0.9, 0.99)]
    whole = file_of(*arrays)
    ways = {i: sparse._ways(t) for i, t in enumerate(whole.graph.initializer)}
    for names in ([], ["Bits"], ["Gaps"], [*sparse.PACKINGS]):
        packed = file_of(*arrays)
        sparse._pack_by(packed, ways, names)
        told = sparse._added(ways, names) - sparse._added(ways, [])
        assert abs(packed.ByteSize() - whole.ByteSize() - told) <= 1
