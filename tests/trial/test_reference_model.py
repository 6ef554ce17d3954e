"""A space's largest model: what cannot answer is told before any training."""

from dataclasses import replace

import numpy as np
import pytest
from helpers.trials import DIGITS
from safetensors.torch import save_file
from torch import nn

from automl.compression.average_flips import AverageFlips
from automl.data.sklearn import Sklearn
from automl.errors import Rejected, UserError
from automl.export.formats import FORMATS, Format
from automl.measure.measurement import Measurement
from automl.models.convnet import ConvNet
from automl.models.imported import Imported
from automl.models.mlp import MLP
from automl.quality import Metric
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


SMALL = Space(TrialConfig(DIGITS, MLP((8,)), (Train(epochs=1),)), ("accuracy", "size_bytes"))
NUMBERS = TrialConfig(Sklearn("diabetes"), MLP((8,)), (Train(epochs=1),))


def test_a_metric_whose_figures_go_beyond_what_it_calls_perfect_is_told(forgotten, tmp_path):
    class Profit(Metric):
        def __call__(self, outputs, targets):
            return 50 * float((outputs.argmax(1) == targets).mean())

    class Cost(Metric):
        better = "min"

        def suits(self, num_classes):
            return True

        def __call__(self, outputs, targets):
            return float(np.abs(outputs).mean() < 0)

    profit = "Profit: answers that are all right reach 50, .* perfect = 1; define `perfect`"
    cost = "Cost: answers that are all right reach 0, which is better than perfect = 1; define"
    for space, sentence in (
        (replace(SMALL, objectives=("profit", "size_bytes")), profit),
        (replace(SMALL, constraints=("cost <= 0.5",)), cost),
        (Space(NUMBERS, ("cost", "size_bytes")), cost),
    ):
        with pytest.raises(UserError, match=sentence):
            largest(space, validate(space), tmp_path)


def test_a_metric_that_is_fine_or_cannot_tell_of_right_answers_is_taken(forgotten, tmp_path):
    class Rounded(Metric):
        def __call__(self, outputs, targets):
            return float(1 + 1e-7)

    class Raises(Metric):
        def __call__(self, outputs, targets):
            return 1 // int((outputs.argmax(1) != targets).sum())

    class Undefined(Metric):
        def __call__(self, outputs, targets):
            return float(np.float64(2) * np.log((outputs.argmax(1) != targets).sum()) * np.nan)

    class Likely(Metric):
        def __call__(self, outputs, targets):
            shares = np.exp(outputs) / np.exp(outputs).sum(1, keepdims=True)
            return float(shares[np.arange(len(targets)), targets].mean())

    own = ("rounded", "raises", "undefined", "likely")
    space = replace(SMALL, objectives=(*own, "accuracy", "log_loss", "size_bytes"))
    assert largest(space, validate(space), tmp_path)


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
