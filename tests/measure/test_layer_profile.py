"""A file layer by layer: the parts add up to the whole, and belong to what they are of."""

import time
from pathlib import Path

import onnx
import pytest
from helpers.graphs import file_of, node, ones
from helpers.trials import DIGITS, finish, load

from automl.compression.quantize import Quantize
from automl.errors import UserError
from automl.export import onnx as exporting
from automl.measure.layer_profile import Asked, layer_profile, with_readings, without_notes
from automl.measure.profile_rows import rows
from automl.models.convnet import ConvNet
from automl.models.transformer import Transformer
from automl.runtimes.onnx import ONE_THREAD, OnnxRuntime
from automl.training.loop import Train

FIGURES = ("time_ms", "num_bytes", "macs")


def profiled(file: bytes, folder: Path, runtime=ONE_THREAD, **options):
    path = folder / "model.onnx"
    path.write_bytes(file)
    return layer_profile(Asked(path, runtime, seconds=0.02, **options))


@pytest.mark.parametrize("bits", [0, 8, 2])
def test_the_parts_of_a_convolutional_network_add_up(bits, build, context, tmp_path):
    network = build(ConvNet((8, 16)))
    if bits:
        step = Quantize(bits, training=Train(epochs=0))
        network = finish(step.run(network, context))
    profile = profiled(exporting.export(network, load(DIGITS)), tmp_path)
    totals = profile.totals
    sums = [sum(getattr(row, figure) for row in rows(profile)) for figure in FIGURES]
    assert sums[0] == pytest.approx(totals.latency_ms)
    assert sums[1:] == [totals.size_bytes, totals.macs]
    assert totals.size_bytes == (tmp_path / "model.onnx").stat().st_size
    layers = [row for row in rows(profile) if row.macs]
    assert [row.macs for row in layers] == [64 * 8 * 9, 16 * 16 * 8 * 9, 16 * 10]
    ends = 8 if bits else 32
    least = [72 * ends / 8, 16 * 72 * (bits or 32) / 8, 160 * ends / 8]
    assert all(row.num_bytes > own for row, own in zip(layers, least, strict=True))


def test_a_layer_has_its_name_where_that_is_known(tmp_path):
    nodes = [node("MatMul", "x a", "b"), node("Relu", "b", "c"), node("MatMul", "c d", "y")]
    file = file_of(nodes, {"x": ("batch", 8)}, ["y"], a=ones(8, 100), d=ones(100, 2))
    profile = profiled(
        file, tmp_path, OnnxRuntime(batch=2), layers={"a": "first.weight", "d": "last.weight"}
    )
    assert [(n.layer, n.macs, n.makes) for n in profile.nodes if n.layer] == [
        ("first.weight", 2 * 8 * 100, (2, 100)),
        ("last.weight", 2 * 100 * 2, (2, 2)),
    ]


def test_every_operation_of_a_transformer_has_a_place(build, tmp_path):
    file = exporting.export(build(Transformer()), load(DIGITS))
    profile = profiled(file, tmp_path)
    tensors = onnx.load_from_string(file).graph.initializer
    assert profile.totals.graph_bytes == len(file) - sum(tensor.ByteSize() for tensor in tensors)
    assert {node.provider for node in profile.nodes} == {"CPU"}


def test_notes_are_taken_off_evenly_and_no_time_is_below_nothing():
    assert without_notes([5.0, 3.0, 1.0], 9.0) == [5.0, 3.0, 1.0]
    assert without_notes([5.0, 3.0, 4.0], 6.0) == [3.0, 1.0, 2.0]
    assert without_notes([5.0, 3.0, 1.0], 2.0) == [2.0, 0.0, 0.0]


@pytest.mark.parametrize("operator", ["Relu", "Identity"])
def test_nodes_that_take_no_time_are_profiled(operator, tmp_path, monkeypatch):
    monkeypatch.setattr(time, "thread_time", lambda: 1.0)
    file = file_of([node(operator, "x", "y")], {"x": ("batch", 1)}, ["y"])
    profile = profiled(file, tmp_path)
    assert [own.time_ms for own in profile.nodes] in ([], [0.0])
    assert profile.totals.latency_ms == profile.totals.unattributed_ms == 0


def test_a_reading_is_a_figure_or_says_why_there_is_none(tmp_path):
    file = file_of([node("MatMul", "x a", "y")], {"x": ("batch", 8)}, ["y"], a=ones(8, 10**6))
    told = with_readings(profiled(file, tmp_path)).as_json()
    if told["peak_memory_bytes"] is not None:
        assert 32e6 < told["peak_memory_bytes"] < 320e6
    for name in ("peak_memory_bytes", "energy_mj"):
        assert (told[name] is None) == (name in told["why_null"])


def test_rows_that_are_made_up_are_told_where_the_file_leaves_them_open(tmp_path):
    file = file_of([node("Relu", "x", "y")], {"x": ("batch", 3, "height", "width")}, ["y"])
    told = profiled(file, tmp_path).as_json()["notes"]
    assert "timed on rows of 3 x 1 x 1, since the file leaves these sizes open" in told
    nodes = [node("Add", "x other", "y")]
    file = file_of(nodes, {"x": (4, 3), "other": (4, 3)}, ["y"])
    profile = profiled(file, tmp_path)
    assert profile.nodes[0].makes == (4, 3)
    assert profile.as_json()["notes"][0] == "a call has 4 rows, not 1, since the file states so"


def test_weights_beside_a_file_are_profiled_with_it(tmp_path):
    file = file_of([node("MatMul", "x a", "y")], {"x": ("batch", 8)}, ["y"], a=ones(8, 500))
    path, model = tmp_path / "model.onnx", onnx.load_from_string(file)
    onnx.save(model, path, save_as_external_data=True, location="model.onnx.data")
    totals = layer_profile(Asked(path, ONE_THREAD, seconds=0.02)).totals
    assert totals.size_bytes == pytest.approx(len(file), abs=100)
    path.with_name("model.onnx.data").unlink()
    with pytest.raises(UserError, match=r"keeps weights in model\.onnx\.data"):
        layer_profile(Asked(path, ONE_THREAD))


def test_what_is_no_file_is_told_in_a_sentence(tmp_path):
    with pytest.raises(UserError, match="there is no file"):
        layer_profile(Asked(tmp_path / "none.onnx", ONE_THREAD))
    (tmp_path / "text.onnx").write_text("no model")
    with pytest.raises(UserError, match=r"onnxruntime cannot run .*text\.onnx"):
        layer_profile(Asked(tmp_path / "text.onnx", ONE_THREAD))
