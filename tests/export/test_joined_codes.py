import numpy as np
import onnx
import onnxruntime
import pytest

from automl.export import joined_codes
from automl.export.joined_codes import MOST_NUMBERS
from automl.export.packed_weights import stored_bits, unpacked
from automl.export.packing import LAYOUTS, pack_weights

SHAPES = [(3, 4, 3, 3), (5,), (7, 3)]


def drawn(shape, bits, seed=0):
    return np.random.default_rng(seed).choice(LAYOUTS[bits].levels, shape).astype(np.int8)


def file_of(weights, bits):
    """A file that gives each of the weights times 0.5, and the names of what was packed."""
    make, nodes = onnx.helper, []
    held = [onnx.numpy_helper.from_array(codes, name) for name, codes in weights.items()]
    held.append(onnx.numpy_helper.from_array(np.float32(0.5), "scale"))
    outputs = []
    for name, codes in weights.items():
        nodes.append(make.make_node("DequantizeLinear", [name, "scale"], [f"{name}.out"]))
        outputs.append(make.make_tensor_value_info(f"{name}.out", 1, codes.shape))
    graph = make.make_graph(nodes, "g", [], outputs, held)
    model = make.make_model(graph, opset_imports=[make.make_opsetid("", 20)], ir_version=9)
    left = joined_codes.join(model.graph, dict.fromkeys(weights, bits))
    pack_weights(model, left)
    return model.SerializeToString(), [*left]


def codes_in(file):
    graph = onnx.load_from_string(file).graph
    held = {t.name: onnx.numpy_helper.to_array(t) for t in graph.initializer}
    return joined_codes.taken_apart(graph, unpacked(graph, held))


@pytest.mark.parametrize("bits", LAYOUTS)
def test_onnxruntime_takes_small_weights_apart(bits):
    weights = {f"w{i}": drawn(shape, bits, i) for i, shape in enumerate(SHAPES)}
    file, packed = file_of(weights, bits)
    assert packed == [f"codes{bits}"]
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    for codes, answer in zip(weights.values(), session.run(None, {}), strict=True):
        assert np.array_equal(answer, codes * np.float32(0.5))
    assert stored_bits(file) == {bits: sum(codes.size for codes in weights.values())}
    found = codes_in(file)
    assert all(np.array_equal(found[name], codes) for name, codes in weights.items())


def test_weights_of_other_bits_are_joined_apart():
    bits = dict(zip("abcde", (2, 4, 2, 4, 1)))
    held = [onnx.numpy_helper.from_array(drawn((4, 6), own), n) for n, own in bits.items()]
    graph = onnx.helper.make_graph([], "g", [], [], held)
    assert joined_codes.join(graph, bits) == {"codes2": 2, "codes4": 4, "e": 1}
    assert [tensor.name for tensor in graph.initializer if tensor.name in bits] == ["e"]


def test_equal_weights_are_stored_once():
    codes = drawn((6, 5), 2)
    file, _ = file_of({"a": codes, "b": codes, "c": drawn((5,), 2)}, 2)
    assert stored_bits(file) == {2: 35}
    assert np.array_equal(codes_in(file)["b"], codes)


def test_a_large_weight_and_a_codebook_stand_alone():
    large, book = drawn((MOST_NUMBERS,), 2), np.array([-5, 1, 2, 7], np.int8)
    weights = {"large": large, "book": book, "a": drawn((5,), 2), "b": drawn((6,), 2)}
    _, packed = file_of(weights, 2)
    assert packed == ["large", "book", "codes2"]
