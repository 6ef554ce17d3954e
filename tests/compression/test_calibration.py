import numpy as np
import torch
from torch import nn

from automl.compression.calibration import calibration_rows, recalibrate
from automl.models.convnet import ConvNet
from automl.models.deployed import seen_by
from automl.models.mlp import MLP


def test_statistics_are_those_of_the_training_rows(build, context):
    network = build(MLP((16,)))
    norm = network.body.block0.norm
    norm.running_mean.fill_(7.0)
    assert recalibrate(network, context) is network
    rows = calibration_rows(context.data, 2048).inputs
    given = network.body.block0.linear(seen_by(network, rows, context.data.about).flatten(1))
    assert torch.allclose(norm.running_mean, given.mean(0), atol=0.02)
    assert torch.allclose(norm.running_var, given.var(0), rtol=0.1, atol=1e-3)
    assert norm.momentum == nn.BatchNorm1d(1).momentum
    assert not any(module.training for module in network.modules())


def test_it_depends_on_nothing_but_weights_and_rows(build, context):
    states = []
    for start in (0.0, 5.0):
        network = build(ConvNet((8, 8)))
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.running_mean.fill_(start)
                module.running_var.fill_(1 + start)
        network.train()
        states.append(recalibrate(network, context).state_dict())
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])


def test_rows_are_spread_over_the_training_rows(context):
    rows = calibration_rows(context.data, 10)
    assert len(rows.targets) == len(rows.inputs) == 10
    assert np.array_equal(rows.inputs[-1], context.data.train.inputs[-1])
