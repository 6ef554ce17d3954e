"""A space's largest model: what cannot answer is told before any training."""

import pytest
from helpers.trials import DIGITS
from safetensors.torch import save_file
from torch import nn

from automl.compression.average_flips import AverageFlips
from automl.errors import Rejected, UserError
from automl.export.formats import FORMATS, Format
from automl.measure.measurement import Measurement
from automl.models.convnet import ConvNet
from automl.models.imported import Imported
from automl.models.mlp import MLP
from automl.space.domains import Int, OneOf, Repeat
from automl.space.exploring import validate
from automl.space.space import Space, TrialConfig
from automl.training.loop import Train
from automl.trial.reference_model import largest


class OfEight(nn.Module):
    """A number of rows that is written into its forward."""

    def __init__(self):
        super().__init__()
        self.head = nn.Linear(64, 10)

    def forward(self, rows):
        return self.head(rows.view(8, 64))


def test_a_number_of_rows_in_a_forward_is_told(tmp_path):
    space = Space(TrialConfig(DIGITS, Imported(OfEight), (Train(epochs=1),)))
    with pytest.raises(UserError, match="answers 8 rows at once and not 2: its forward fixes"):
        largest(space, validate(space), tmp_path)


MEASURED = Measurement({"accuracy": 0.9, "mine": float("nan")}, 5000, 0.1, 2.0)


class Plain(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Linear(64, 10))

    def forward(self, rows):
        return super().forward(rows.flatten(1))


def test_the_parameters_of_the_largest_model_are_those_of_its_choices(tmp_path):
    models = OneOf(MLP(Repeat(Int(8, 16), Int(1, 2))), ConvNet((Int(8, 16, step=8),)))
    space = Space(TrialConfig(DIGITS, models, (Train(epochs=Int(1, 5)),)))
    found = largest(space, validate(space), tmp_path)
    assert found.point == {"model": "ConvNet", "model.ConvNet.channels.0": 16}
    assert found.known(MEASURED) == {"size_bytes": 5000, "latency_ms": 0.1, "load_ms": 2.0}


def test_times_and_work_range_from_twice_the_largest_models_where_it_may_be_asked_twice(tmp_path):
    measured = {"size_bytes": 5000.0, "latency_ms": 0.1, "ort/latency_ms": 0.2, "macs": 700.0}
    worst = []
    for more in ((), (OneOf(None, AverageFlips()),)):
        space = Space(TrialConfig(DIGITS, MLP((8,)), (Train(epochs=1), *more)))
        found = largest(space, validate(space), tmp_path)
        worst.append([axis.worst for axis in found.axes(list(measured), measured).values()])
    assert worst == [[5000.0, 0.1, 0.2, 700.0], [5000.0, 0.2, 0.4, 1400.0]]


@pytest.mark.parametrize("is_trained", [True, False])
def test_the_quality_of_a_module_counts_as_it_came_if_it_came_trained(is_trained, tmp_path):
    save_file(Plain().state_dict(), tmp_path / "own.safetensors")
    weights = str(tmp_path / "own.safetensors") if is_trained else ""
    space = Space(TrialConfig(DIGITS, Imported(Plain, weights=weights), (Train(epochs=1),)))
    found = largest(space, validate(space), tmp_path)
    assert found.point == {}
    assert found.known(MEASURED).get("accuracy") == (0.9 if is_trained else None)
    assert "mine" not in found.known(MEASURED)


def test_its_files_for_other_runtimes_are_made_or_refused_in_a_sentence(tmp_path, monkeypatch):
    space = Space(TrialConfig(DIGITS, MLP((8,)), (Train(epochs=1),)))
    reference = largest(space, validate(space), tmp_path)
    assert reference.in_formats([], reference.export) == {}
    assert list(reference.in_formats(["pt2"], reference.export)) == ["pt2"]

    def make(chosen):
        raise Rejected("cannot be lowered to X: no operator")

    monkeypatch.setitem(FORMATS, "x", Format(make))
    with pytest.raises(UserError, match=r"MLP.* cannot be lowered to X: no operator"):
        reference.in_formats(["x"], reference.export)
