"""What `automl profile` prints, draws and refuses."""

import json
import xml.etree.ElementTree

from helpers.command import refused
from helpers.graphs import file_of, node, ones

from automl.engine import profiled


def two_layers(folder):
    nodes = [node("MatMul", "x a", "b"), node("Relu", "b", "c"), node("MatMul", "c d", "y")]
    file = file_of(nodes, {"x": ("batch", 8)}, ["y"], a=ones(8, 100), d=ones(100, 2))
    (folder / "model.onnx").write_bytes(file)
    return len(file)


def test_the_layers_of_a_file_are_told_and_drawn(here, tmp_path):
    size = two_layers(tmp_path)
    done = here("profile", "model.onnx", "--batch", 4, "--json", "--picture", "layers.svg")
    told = json.loads(done.stdout)
    assert (done.returncode, told["size_bytes"], told["macs"]) == (0, size, 4 * (800 + 200))
    assert [one["macs"] for one in told["nodes"] if one["macs"]] == [3200, 800]
    assert {"peak_memory_bytes", "energy_mj"} <= set(told)
    drawn = (tmp_path / "layers.svg").read_text()
    assert xml.etree.ElementTree.fromstring(drawn).tag.endswith("svg")
    printed = here("profile", "model.onnx").stdout
    assert "1,000 multiply-accumulates" in printed and "the call itself" in printed


def test_a_picture_shows_the_name_of_its_file_letter_by_letter(here, tmp_path):
    name = r"$\frac$.onnx"
    file = file_of([node("MatMul", "x w", "y")], {"x": ("batch", 8)}, ["y"], w=ones(8, 2))
    (tmp_path / name).write_bytes(file)
    assert here("profile", name, "--picture", "layers.svg").returncode == 0
    assert f"<!-- {name}: " in (tmp_path / "layers.svg").read_text()


def test_what_cannot_be_profiled_is_refused_in_a_sentence(here, tmp_path):
    refused(here("profile", "none.onnx"), "there is no file none.onnx")
    refused(here("profile", "."), "holds no model.onnx; give an ONNX file, or the folder that")
    two_layers(tmp_path)
    refused(here("profile", "model.onnx", "--picture", "a.gif"), "ends in .png or .svg")
    refused(here("profile", "model.onnx", "--provider", "CPUU"), "did you mean 'CPU'?")


def test_a_changed_file_has_no_names_of_layers(tmp_path):
    two_layers(tmp_path)
    told = {"sha256": "of another file", "costs": {"weights_in_file": {"head.weight": "a"}}}
    (tmp_path / "measurement.json").write_text(json.dumps(told))
    assert profiled.layer_names(tmp_path) == {}
