from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from automl import quality
from automl.compression import calibration
from automl.compression.calibration import (
    CALIBRATION_ROWS,
    LEAST_ROWS,
    calibration_rows,
    enough_rows,
    first_readers,
    recalibrate,
    seen_rows,
    usual_quality,
    values_entering,
)
from automl.data.dataset import Scaling, Split
from automl.models.convnet import ConvNet
from automl.models.deployed import Deployed, predict, seen_by
from automl.models.family import untrained
from automl.models.mlp import MLP
from automl.models.transformer import Transformer


def by_class(data):
    """The same data, its training rows sorted by class."""
    train = data.train
    order = np.argsort(train.targets, kind="stable")
    sorted_rows = Split(train.inputs[order], train.targets[order], train.rows[order])
    return replace(data, train=sorted_rows)


def test_rows_come_evenly_from_all_training_rows(context):
    data = by_class(context.data)
    rows = calibration_rows(data, 100)
    assert np.bincount(rows.targets).min() >= 8
    assert set(rows.rows) < set(data.train.rows)
    assert np.array_equal(calibration_rows(data, 10**6).rows, data.train.rows)


def test_a_large_network_is_calibrated_on_fewer_rows_and_that_is_told(build, context, monkeypatch):
    network = build(MLP((8,)))
    assert enough_rows(network) == CALIBRATION_ROWS
    monkeypatch.setattr(calibration, "LARGE", 10)
    assert len(seen_rows(network, context)) == LEAST_ROWS
    assert values_entering(network, [], context) == {} and context.notes == []
    name = next(name for name, layer in network.body.named_modules() if type(layer) is nn.Linear)
    assert set(values_entering(network, [name], context)) == {name}
    assert context.notes == ["calibrated on 64 rows: a large network needs no more"]


@pytest.mark.parametrize(
    ("counts", "metric", "sign"),
    [((90, 10), "roc_auc", 1), ((50, 50), "accuracy", 1), ((), "rmse", -1)],
    ids=["uneven", "even", "numbers"],
)
def test_quality_is_the_usual_metric_of_the_task_and_more_is_better(counts, metric, sign, context):
    classes = tuple("ab"[: len(counts)])
    task = {"classes": classes, "class_counts": counts, "num_outputs": len(counts) or 1}
    info = replace(context.data.info, **task, targets=Scaling((5.0,), (2.0,)))
    some = context.data.validation
    targets = some.targets % 2 if counts else some.targets[:, None].astype(np.float32)
    network = untrained(MLP((8,)), info)
    answers = predict(Deployed(network, info), torch.from_numpy(some.inputs)).numpy()
    expected = sign * quality.METRICS[metric](answers, targets)
    assert usual_quality(network, replace(some, targets=targets), info) == expected


class Repeated(nn.Module):
    """Layers that read the rows, of which `again` and `more` read what `again` gives as well."""

    def __init__(self):
        super().__init__()
        self.once, self.again, self.twin, self.more = (nn.Linear(4, 4) for _ in range(4))

    def forward(self, rows):
        values = self.again(rows)
        return self.again(values) + self.once(rows) + self.twin(rows) + self.more(values)


def test_layers_read_the_same_only_where_all_their_calls_do():
    names = ["once", "again", "twin", "more", "never"]
    body = Repeated()
    body.never = nn.Linear(4, 4)
    assert first_readers(body, names, torch.randn(2, 4)) == {
        "once": "once",
        "again": "again",
        "twin": "once",
        "more": "more",
    }


@pytest.mark.parametrize("family", [MLP((16,)), ConvNet((8, 8))])
def test_statistics_become_those_of_the_training_rows_in_whatever_order(family, build, context):
    network, context = build(family), replace(context, data=by_class(context.data))
    weights = {name: p.clone() for name, p in network.named_parameters()}
    for norm in (m for m in network.modules() if isinstance(m, _BatchNorm)):
        nn.init.constant_(norm.running_mean, 7.0)
    assert recalibrate(network, context) is network
    first = next(m for m in network.modules() if isinstance(m, _BatchNorm))
    seen = []
    first.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    network(seen_by(network, context.data.train.inputs, context.data.info))
    dims = [d for d in range(seen[0].dim()) if d != 1]
    assert torch.allclose(first.running_mean, seen[0].mean(dims), atol=1e-3)
    assert torch.allclose(first.running_var, seen[0].var(dims), rtol=0.02, atol=1e-3)
    assert all(torch.equal(p, weights[name]) for name, p in network.named_parameters())
    assert not any(module.training for module in network.modules())
    assert first.momentum == 0.1


def test_it_is_deterministic(build, context):
    states = [recalibrate(build(ConvNet((8, 8))), context).state_dict() for _ in range(2)]
    assert all(torch.equal(tensor, states[1][name]) for name, tensor in states[0].items())


@pytest.mark.parametrize("family", [Transformer(), MLP((8,), normalisation="none")])
def test_without_batch_norm_there_is_no_work(family, build):
    network = build(family)
    assert recalibrate(network, None) is network
