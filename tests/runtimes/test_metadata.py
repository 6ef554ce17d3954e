"""A file's metadata are read as this package writes them; another's of the same names are none."""

import onnx
import pytest
from onnx import TensorProto, helper

from automl.runtimes.metadata import Metadata, metadata
from automl.runtimes.onnx import session


def loaded(told):
    """A file that gives its rows of three numbers back, with this metadata."""
    rows = [helper.make_tensor_value_info(n, TensorProto.FLOAT, ["rows", 3]) for n in "xy"]
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "g", rows[:1], rows[1:])
    file = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.helper.set_model_props(file, told)
    return session(file.SerializeToString())


def test_what_an_export_tells_is_read():
    told = {"classes": '["cat", "dog"]', "columns": '{"age": [], "sex": ["f", "m"]}'}
    columns = {"age": [], "sex": ["f", "m"]}
    assert metadata(loaded({**told, "length": "24"})) == Metadata(("cat", "dog"), columns, 24)


@pytest.mark.parametrize(
    "told",
    [
        {},
        {"classes": "cat,dog", "columns": "a,b,c", "length": "variable"},
        {"classes": '{"0": "cat"}', "columns": '["a", "b"]', "length": "24.5"},
        {"classes": "2", "columns": '{"a": "float"}', "length": "true"},
    ],
)
def test_metadata_of_another_form_tell_nothing(told):
    assert metadata(loaded(told)) == Metadata((), {}, 0)
