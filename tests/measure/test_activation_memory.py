"""The memory of activations against schedules that are written out by hand."""

import numpy as np
import onnx
from helpers.graphs import file_of, node, ones

from automl.measure.activation_memory import peak_activation_bytes
from automl.measure.numbered_graph import numbered

FEED = {"x": np.zeros((1, 8), np.float32)}


def peak(nodes, **held):
    file = file_of(nodes, {"x": (1, 8)}, ["y"], **held)
    return peak_activation_bytes(numbered(onnx.load_from_string(file)).file, FEED)


def test_of_a_chain_two_neighbours_live_at_once():
    chain = [node("MatMul", "x a", "b"), node("Sigmoid", "b", "c"), node("MatMul", "c d", "y")]
    assert peak(chain, a=ones(8, 100), d=ones(100, 2)) == 4 * (100 + 100)


def test_what_is_read_again_later_lives_until_then():
    skip = [
        node("MatMul", "x a", "b"),
        node("Sigmoid", "b", "c"),
        node("Tanh", "c", "d"),
        node("Sum", "b d", "y"),
    ]
    assert peak(skip, a=ones(8, 100)) == 4 * (100 + 100 + 100)


def test_a_view_takes_no_memory_of_its_own():
    seen = [node("MatMul", "x a", "b"), node("Reshape", "b shape", "c"), node("Tanh", "c", "y")]
    assert peak(seen, a=ones(8, 100), shape=np.array([10, 10])) == 4 * (100 + 100)
