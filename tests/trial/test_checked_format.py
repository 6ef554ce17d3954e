"""Models of five kinds in every format, each answered by a process that has its runtime alone."""

import importlib.util
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from helpers.trials import CACHE, DIGITS, drive, finish, load
from torch import nn

from automl.compression.factorize import Factorize
from automl.compression.prune import Prune
from automl.compression.quantize import Quantize
from automl.errors import Rejected, UserError
from automl.export.formats import FORMATS, Format
from automl.export.taken import Chosen, Made
from automl.models.convnet import ConvNet
from automl.models.family import restore, untrained
from automl.models.imported import Imported
from automl.models.mlp import MLP
from automl.space.space import TrialConfig
from automl.store import Store
from automl.training.loop import Train
from automl.trial import checked_format
from automl.trial.checked_format import agreement, expected_answers, formats_of, in_formats
from automl.trial.trial import run

KINDS = {
    "fp32": (),
    "pruned": (Prune(0.5), Train(label="fine_tune", epochs=1)),
    "factorised": (Factorize(energy=0.8), Train(label="fine_tune", epochs=1)),
    "int8": (Quantize(),),
    "few bits": (Quantize(bits=4),),
}
CONVNET = ConvNet((8, 16))
NEEDS = {"pt2": "torch", "executorch": "executorch", "litert": "litert_torch"}
FILES = {"pt2": "model.pt2", "executorch": "model.pte", "litert": "model.tflite"}
ALONE = """
import sys, numpy
sys.modules |= dict.fromkeys(("onnx", "onnxruntime", "ray", "mlflow", "optuna", "sklearn"))
from pathlib import Path
from automl.runtimes import {runtime} as runtime
loaded = runtime.session(Path(sys.argv[1]))
rows = numpy.load(sys.argv[2])
assert runtime.row_shape(loaded) == rows.shape[1:]
numpy.save(sys.argv[3], runtime.run(loaded, rows))
"""


@pytest.fixture(scope="module")
def chosen(tmp_path_factory):
    """A trained model of a kind, as a search keeps it."""
    store, made = Store(str(tmp_path_factory.mktemp("store"))), {}

    def chosen(kind, model=CONVNET):
        if (kind, model) not in made:
            config = TrialConfig(DIGITS, model, (Train(epochs=3), *KINDS[kind]))
            _, result = drive(config, store)
            assert result.is_complete, result.reason
            names = ("model.onnx", "weights.safetensors", "spec.json")
            file, *network = (store.read(result.key, name) for name in names)
            taken = Chosen(kind, file, restore(*network), load(DIGITS), "{}", False, dict)
            made[kind, model] = taken
        return made[kind, model]

    return chosen


def need(name):
    if importlib.util.find_spec(NEEDS[name]) is None:
        pytest.skip(f"{NEEDS[name]} is not installed: the extra {name!r} brings it")


def answers_alone(name, file, folder, rows):
    """The answers of a file in a process of its own."""
    (folder / FILES[name]).write_bytes(file)
    np.save(folder / "rows.npy", rows)
    paths = [folder / FILES[name], folder / "rows.npy", folder / "answers.npy"]
    command = [sys.executable, "-c", ALONE.format(runtime=name), *map(str, paths)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return np.load(paths[-1])


def agrees(name, model, folder):
    """A model in a format answers as its network, and is the same when made again."""
    need(name)
    made = formats_of(model, [name])
    file = made.files[FILES[name]]
    assert FORMATS[name].make(model).files[FILES[name]] == file
    expected = expected_answers(model.network, model.data)
    answers = answers_alone(name, file, folder, model.data.validation.inputs)
    off = np.abs(answers - expected).max() / expected.std()
    same = (answers.argmax(1) == expected.argmax(1)).mean()
    print(f"{name} {model.name}: {len(file)} bytes, off {off:.2g}, same {same:.4f}, {made.notes}")
    assert same == 1
    return made


@pytest.mark.slow
@pytest.mark.parametrize("model", [CONVNET, MLP((64, 32))], ids=["convnet", "mlp"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", FILES)
def test_a_model_of_each_kind_agrees_in_each_format(name, kind, model, chosen, tmp_path):
    agrees(name, chosen(kind, model), tmp_path)


@pytest.mark.parametrize("name", FILES)
def test_a_model_of_integers_computes_with_integers(name, chosen, tmp_path):
    made = agrees(name, chosen("int8"), tmp_path)
    if name != "pt2":
        assert any("quantized layers with integers" in note for note in made.notes)
        assert len(made.files[FILES[name]]) < 30_000


@pytest.mark.slow
@pytest.mark.parametrize("model", [CONVNET, MLP((64, 32))], ids=["convnet", "mlp"])
def test_the_card_tells_the_most_rows_that_executorch_takes_at_a_time(model, chosen):
    need("executorch")
    from automl.runtimes import executorch

    made = formats_of(chosen("fp32", model), ["executorch"])
    loaded = executorch.session(made.files["model.pte"])
    assert f"for 1 to {loaded.most_rows} rows at" in made.card


class Recurrent(nn.Module):
    """A network with an operator of which ExecuTorch fixes the number of rows."""

    def __init__(self):
        super().__init__()
        self.first, self.last = nn.GRU(8, 4, batch_first=True), nn.Linear(4, 10)

    def forward(self, rows):
        steps, _ = self.first(rows[:, 0])
        return self.last(steps[:, -1])


def test_a_file_for_executorch_takes_one_row_where_an_operator_fixes_their_number():
    need("executorch")
    from automl.runtimes import executorch

    data = load(DIGITS)
    network = untrained(Imported(f"{__name__}:Recurrent"), data.info)
    made = formats_of(Chosen("recurrent", b"", network, data, "{}"), ["executorch"])
    assert "for one row at a" in made.card
    loaded = executorch.session(made.files["model.pte"])
    assert executorch.run(loaded, data.validation.inputs[:1]).shape == (1, 10)


def test_a_file_that_answers_no_single_row_is_refused(chosen, monkeypatch):
    model = chosen("fp32")
    expected = expected_answers(model.network, model.data)

    def answers(file, rows):
        assert len(rows) > 1, "two rows are wanted"
        return expected[-len(rows) :]

    monkeypatch.setattr(checked_format, "answers_of", lambda name: answers)
    monkeypatch.setitem(FORMATS, "x", Format(lambda chosen: Made({"model.x": b""})))
    with pytest.raises(UserError, match=r"gives a model\.x that does not run: .*two rows"):
        formats_of(model, ["x"])


def test_a_model_that_cannot_be_lowered_is_refused_in_a_sentence(chosen, monkeypatch):
    def make(chosen):
        raise Rejected("cannot be lowered to X: no operator")

    monkeypatch.setitem(FORMATS, "x", Format(make))
    model = replace(chosen("fp32"), name="digits, trial 0001")
    with pytest.raises(UserError, match="--format x: digits, trial 0001 cannot be lowered to X"):
        formats_of(model, ["x"])


def test_a_file_that_answers_otherwise_is_refused(chosen, monkeypatch):
    good = FORMATS["pt2"].make(chosen("fp32"))
    monkeypatch.setitem(FORMATS, "pt2", Format(lambda chosen: Made(good.files)))
    with pytest.raises(UserError, match="would answer otherwise"):
        formats_of(chosen("pruned"), ["pt2"])


def test_a_file_for_a_runtime_is_made_once_and_held_against_the_network(chosen, monkeypatch):
    one, other = chosen("fp32"), FORMATS["pt2"].make(chosen("pruned"))
    make = in_formats(one.network, one.data)
    assert make("pt2") == FORMATS["pt2"].make(one).files[FILES["pt2"]] and make("pt2") is make(
        "pt2"
    )
    monkeypatch.setitem(FORMATS, "pt2", Format(lambda chosen: Made(other.files)))
    with pytest.raises(Rejected, match="would answer otherwise"):
        in_formats(one.network, one.data)("pt2")


def test_a_trial_whose_model_a_runtime_cannot_have_is_rejected_with_the_reason(store, monkeypatch):
    def make(chosen):
        raise Rejected("cannot be lowered to X: no operator")

    monkeypatch.setitem(FORMATS, "x", Format(make))
    config = TrialConfig(DIGITS, MLP((8,)), (Train(epochs=1),))
    result = finish(run(config, store, lambda file, row, make: make("x"), Path(CACHE.name)))
    assert (result.status, result.reason) == ("rejected", "cannot be lowered to X: no operator")


def test_numbers_may_differ_by_the_tolerance_alone():
    expected = np.array([[0.0], [1.0], [2.0]], np.float32)
    assert "at most 0" in agreement(expected, expected, 0.01, False)
    with pytest.raises(Rejected, match=r"at most 0\.01 is allowed"):
        agreement(expected + 0.1, expected, 0.01, False)
    with pytest.raises(Rejected, match=r"at most 0\.01 is allowed"):
        agreement(0 * expected, 1e-9 * expected, 0.01, False)
    constant = np.full((3, 1), 0.1, np.float32)
    agreement(np.nextafter(constant, np.float32(1)), constant, 0.001, False)
    agreement(0 * constant, 0 * constant, 0.001, False)
    with pytest.raises(Rejected, match="shape"):
        agreement(expected[:2], expected, 0.01, False)
