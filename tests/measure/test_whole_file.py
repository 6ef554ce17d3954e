"""Files whose weights lie beside them, as torch writes them, taken as one file."""

import sys

import numpy as np
import onnx
import pytest
from helpers.graphs import file_of, node

from automl.errors import UserError
from automl.measure.file_times import Wanted, file_times
from automl.measure.timed_elsewhere import Place, timed_elsewhere
from automl.measure.whole_file import whole
from automl.runtimes.onnx import run, session

ROW = np.ones((1, 8), np.float32)


def in_two_parts(folder, value):
    """A file in a folder of its own that answers with this value 8 times, its weights beside it."""
    folder.mkdir()
    weights = np.full((8, 500), value, np.float32)
    file = file_of([node("MatMul", "x w", "y")], {"x": ("batch", 8)}, ["y"], w=weights)
    path = folder / "model.onnx"
    (folder / "as_one.onnx").write_bytes(file)
    model = onnx.load_from_string(file)
    onnx.save(model, path, save_as_external_data=True, location="model.onnx.data")
    return path


def test_weights_beside_a_file_are_its_own_wherever_it_is_read(tmp_path, monkeypatch):
    path, other = in_two_parts(tmp_path / "own", 1), in_two_parts(tmp_path / "other", 2)
    monkeypatch.chdir(other.parent)
    assert run(session(whole(path)), ROW)[0, 0] == 8
    assert run(session(whole(other.relative_to(other.parent))), ROW)[0, 0] == 16
    as_one = path.with_name("as_one.onnx")
    assert whole(as_one) == as_one.read_bytes()


def test_weights_beside_a_file_count_among_its_bytes_here_and_elsewhere(tmp_path, monkeypatch):
    path = in_two_parts(tmp_path / "own", 1)
    monkeypatch.chdir(tmp_path)
    one = path.with_name("as_one.onnx")
    size = one.stat().st_size
    assert size > 16_000 > path.stat().st_size
    first, _ = file_times(Wanted((path, one))).files
    assert first.size_bytes == pytest.approx(size, abs=100)
    [there] = timed_elsewhere(Place(sys.executable), Wanted((path,))).files
    assert (there.file, there.size_bytes) == (str(path), first.size_bytes)


def test_weights_that_are_missing_or_too_many_are_one_sentence(tmp_path):
    path = in_two_parts(tmp_path / "own", 1)
    model = onnx.load(path, load_external_data=False)
    entries = {entry.key: entry for entry in model.graph.initializer[0].external_data}
    entries["length"].value = str(2**31)
    path.write_bytes(model.SerializeToString())
    with pytest.raises(UserError, match="has 2,147,483,648 bytes of weights beside it"):
        whole(path)
    path.with_name("model.onnx.data").unlink()
    with pytest.raises(UserError, match=r"keeps weights in model\.onnx\.data, which is not beside"):
        file_times(Wanted((path,)))
