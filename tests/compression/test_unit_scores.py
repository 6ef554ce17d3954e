import torch

from automl.compression.calibration import CALIBRATION_ROWS, calibration_rows
from automl.compression.unit_scores import SCORES, batch_norm, magnitude
from automl.models.deployed import seen_by
from automl.models.mlp import MLP
from automl.models.resnet import ResNet, ResNetStage
from automl.models.transformer import Transformer, TransformerLayer
from automl.training.losses import usual


def test_the_magnitude_is_the_norm_of_a_units_weights(build):
    network = build(MLP((8,)))
    scores = magnitude(network.spec.model.groups()[0], dict(network.body.state_dict()))
    assert torch.allclose(scores, network.body.block0.linear.weight.norm(dim=1))


def test_every_tensor_that_makes_a_unit_counts(build):
    family = Transformer((TransformerLayer(heads=3),), head_dim=8)
    network = build(family)
    attention = network.body.layer0.attend.path.attention
    whole = torch.cat([attention.q.weight, attention.k.weight, attention.v.weight], dim=1)
    scores = magnitude(family.groups()[0], dict(network.body.state_dict()))
    assert torch.allclose(scores, whole.reshape(3, -1).norm(dim=1))


def test_batch_norm_is_the_mean_size_of_all_scales_of_a_unit(build):
    network = build(ResNet((ResNetStage(8, 2),)))
    body = network.body
    norms = [
        body.stem.norm,
        body.stage0.block0.path.second.norm,
        body.stage0.block1.path.second.norm,
    ]
    for norm in norms:
        torch.nn.init.normal_(norm.weight)
    expected = torch.stack([norm.weight.abs() for norm in norms]).mean(0)
    assert torch.allclose(batch_norm(network.spec.model.groups()[0], network), expected)


def test_taylor_foretells_what_the_loss_changes_without_a_unit(build, context, monkeypatch):
    """Of small units, where the first order is nearly all."""
    monkeypatch.setattr("automl.compression.unit_scores.BATCH", CALIBRATION_ROWS)
    network = build(MLP((8,), normalisation="none"))
    linear, info = network.body.block0.linear, context.data.info
    for parameter in linear.parameters():
        parameter.data *= 1e-3
    scores = SCORES["taylor"](network, network.spec.model.groups(), context, "prune")[0]
    rows = calibration_rows(context.data)
    inputs, targets = seen_by(network, rows.inputs, info), torch.from_numpy(rows.targets)

    def loss():
        return usual(info)(network(inputs.double()), targets, None).item()

    network.double()
    before, changes = loss(), []
    for unit in range(8):
        weights = linear.weight.data[unit].clone(), linear.bias.data[unit].clone()
        linear.weight.data[unit], linear.bias.data[unit] = 0.0, 0.0
        changes.append(abs(loss() - before))
        linear.weight.data[unit], linear.bias.data[unit] = weights
    assert torch.allclose(scores.double(), torch.tensor(changes).double(), rtol=0.02)


def test_taylor_sees_that_nothing_reads_a_unit(build, context):
    network = build(MLP((16, 16)))
    network.body.block1.linear.weight.data[:, 3] = 0.0
    network.body.block0.linear.weight.data[3] *= 100.0
    groups = network.spec.model.groups()
    assert SCORES["magnitude"](network, groups, context, "prune")[0].argmax() == 3
    scores = SCORES["taylor"](network, groups, context, "prune")[0]
    assert scores[3] == 0.0 and (scores > 0).sum() >= 8
    assert all(parameter.grad is None for parameter in network.parameters())


def test_random_scores_follow_from_seed_and_label(build, context):
    network = build(MLP((16, 16)))
    groups = network.spec.model.groups()

    def drawn(label):
        return torch.cat(SCORES["random"](network, groups, context, label))

    assert torch.equal(drawn("a"), drawn("a"))
    assert not torch.equal(drawn("a"), drawn("b"))
