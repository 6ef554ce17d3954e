"""Files timed on a runtime of choice: by itself, in turn, with threads and batches."""

import json
import subprocess
import sys

import numpy as np
import pytest
from helpers.graphs import file_of, node
from onnx import TensorProto, helper, numpy_helper, save

from automl.errors import UserError
from automl.export import onnx
from automl.measure.file_times import FileTimes, TimedFiles, Wanted, file_times
from automl.models.mlp import MLP
from automl.runtimes.onnx import OnnxRuntime


@pytest.fixture
def paths(build, context, tmp_path):
    """Files of a small network and of a large one."""
    made = []
    for name, widths in (("small", (16,)), ("large", (400, 400))):
        made.append(tmp_path / f"{name}.onnx")
        made[-1].write_bytes(onnx.export(build(MLP(widths)), context.data))
    return made


def test_files_are_timed_in_turn_with_the_first(paths):
    timed = file_times(Wanted((*paths, paths[0])))
    small, large, again = timed.files
    assert [one.size_bytes for one in timed.files[:2]] == [path.stat().st_size for path in paths]
    assert small.latency_ms < large.latency_ms
    assert again.latency_ms == pytest.approx(small.latency_ms, rel=0.5)
    assert small.nodes.keys() == {"CPU"} and timed.notes == []


def test_a_call_has_as_many_rows_as_wanted(paths):
    alone, many = (file_times(Wanted((paths[1],), OnnxRuntime(batch=batch))) for batch in (1, 64))
    assert many.files[0].latency_ms > 2 * alone.files[0].latency_ms
    assert many.runtime.batch == 64


def test_threads_are_those_of_the_runtime(paths):
    timed = file_times(Wanted((paths[0],), OnnxRuntime(threads=2)))
    assert timed.runtime.threads == 2 and timed.files[0].latency_ms > 0


def test_a_text_has_ids_that_every_vocabulary_has(tmp_path):
    path = tmp_path / "text.onnx"
    taken = helper.make_tensor_value_info("ids", TensorProto.INT64, ["batch", 8])
    given = helper.make_tensor_value_info("answer", TensorProto.FLOAT, ["batch", 8])
    vocabulary = numpy_helper.from_array(np.zeros(2, np.float32), "vocabulary")
    node = helper.make_node("Gather", ["vocabulary", "ids"], ["answer"])
    graph = helper.make_graph([node], "text", [taken], [given], [vocabulary])
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9), path)
    assert file_times(Wanted((path,))).files[0].latency_ms > 0


def test_times_come_back_from_json_as_they_were(paths):
    timed = file_times(Wanted((paths[0],)))
    assert TimedFiles.from_json(json.dumps(timed.as_json())) == timed


@pytest.mark.parametrize(
    ("nodes", "sentence"),
    [
        ({"CUDA": 9}, ""),
        ({"CUDA": 9, "CPU": 3}, "m.onnx: CUDA runs 9 of its 12 nodes; 3 by CPU"),
        ({"CPU": 12}, "m.onnx: CUDA runs none of its 12 nodes; 12 by CPU"),
    ],
)
def test_what_a_provider_leaves_to_another_is_told(nodes, sentence):
    assert FileTimes("m.onnx", 1, 1.0, 1.0, {}, nodes).note(OnnxRuntime("CUDA")) == sentence


@pytest.mark.parametrize(
    ("text", "sentence"), [(None, "there is no file"), ("no model", "onnxruntime cannot load")]
)
def test_a_file_that_cannot_be_run_is_told(text, sentence, tmp_path):
    path = tmp_path / "m.onnx"
    if text:
        path.write_text(text)
    with pytest.raises(UserError, match=sentence):
        file_times(Wanted((path,)))


def written(path, inputs, outputs=("y",)):
    """A file that adds numbers up over the last axis of its first input."""
    nodes = [node("ReduceSum", "x axis", "y", keepdims=0), node("Identity", "x", "z")]
    path.write_bytes(file_of(nodes, inputs, outputs, axis=[-1]))
    return path


def test_sizes_that_a_file_leaves_open_are_told(tmp_path):
    path = written(tmp_path / "m.onnx", {"x": ("batch", 3, "height", "width")})
    stated = written(tmp_path / "stated.onnx", {"x": ("batch", 3, 2000, 2000)})
    first, second, again = file_times(Wanted((path, stated, path))).files
    sentence = "timed on rows of 3 x 1 x 1, since the file leaves these sizes open"
    assert (first.remarks, second.remarks) == ([sentence], [])
    # Rows of the other file would have a million times as many numbers.
    assert 5 * first.latency_ms < second.latency_ms > 5 * again.latency_ms


def test_a_call_has_as_many_rows_as_the_file_states(tmp_path):
    path = written(tmp_path / "m.onnx", {"x": (4, 8)})
    timed = file_times(Wanted((path,)))
    assert timed.notes == [f"{path}: a call has 4 rows, not 1, since the file states so"]


def test_a_file_may_have_several_outputs_and_takes_one_input(tmp_path):
    several = written(tmp_path / "m.onnx", {"x": ("batch", 8)}, ("y", "z"))
    assert file_times(Wanted((several,))).files[0].latency_ms > 0
    for shape in (("batch", 8), ("batch",)):
        path = written(tmp_path / "two.onnx", {"x": shape, "other": shape})
        with pytest.raises(
            UserError, match=r"two\.onnx takes 2 inputs \(x, other\); one is needed"
        ):
            file_times(Wanted((path,)))


def test_measuring_needs_neither_torch_nor_ray(build, context, tmp_path):
    path = tmp_path / "model.onnx"
    path.write_bytes(onnx.export(build(MLP((16,))), context.data))
    code = (
        "import runpy, sys; sys.argv = ['measure', sys.argv[1]];"
        "runpy.run_module('automl.measure', run_name='__main__');"
        "assert not {'torch', 'ray', 'mlflow', 'optuna', 'onnx'} & set(sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout)["files"][0]["size_bytes"] == path.stat().st_size
