from collections import OrderedDict
from dataclasses import replace

import pytest
import torch
from helpers.families import ENCODER, IMAGE, built
from helpers.trials import finish
from torch import nn

from automl.compression.binarize import Binarize
from automl.compression.coded_weight import each_once
from automl.compression.fold_batch_norm import fold_batch_norm
from automl.compression.quantize import Quantize
from automl.models.building_blocks import LayerScale
from automl.models.convnet import ConvNet
from automl.models.deployed import predict, seen_by
from automl.models.family import dump, restore
from automl.models.imported import Imported
from automl.models.mlp import MLP


def rows(count=64):
    return torch.randn(count, 1, 8, 8, generator=torch.Generator().manual_seed(1))


def trained(network):
    """The network with statistics and norms of its own, as after a training."""
    torch.manual_seed(2)
    for norm in norms(network):
        if norm.affine:
            nn.init.normal_(norm.weight)
            nn.init.normal_(norm.bias)
    for _ in range(3):
        network.train()(rows() * 2 + 0.5)
    return network.eval()


def norms(network):
    kinds = nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d
    return [m for m in network.modules() if isinstance(m, kinds)]


@pytest.mark.parametrize("steps", [(), (Quantize(activation_bits=None),)], ids=str)
def test_a_layer_scale_is_merged_into_the_last_layer_of_its_branch(steps, context):
    network = built(replace(ENCODER, layer_scale=0.1), IMAGE)
    scales = [m for m in network.modules() if isinstance(m, LayerScale)]
    for scale in scales:
        nn.init.normal_(scale.weight)
    for step in steps:
        network = finish(step.run(network, context))
    before = network(rows())
    folded = fold_batch_norm(network, rows())
    assert len(scales) == 2
    assert not any(isinstance(m, LayerScale) for m in folded.modules())
    torch.testing.assert_close(folded(rows()), before, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(restore(*dump(folded).values())(rows()), folded(rows()))


class Classifier(nn.Module):
    """Features, pooled and classified."""

    def __init__(self, **layers):
        super().__init__()
        for name, layer in layers.items():
            setattr(self, name, layer)
        self.head = nn.Linear(8, 10)

    def forward(self, rows):
        return self.head(self.features(rows).flatten(2).mean(2))


class Straight(Classifier):
    def features(self, rows):
        return self.norm(self.conv(rows)).relu()


class WalkedByHand(Classifier):
    """The layers stand in a Sequential, and forward takes them in another order."""

    def features(self, rows):
        return self.stack[1](self.stack[0](rows).relu())


class TwoNorms(Classifier):
    def features(self, rows):
        made = self.conv(rows)
        return self.first(made) + self.second(made)


class OneNorm(Classifier):
    def features(self, rows):
        return self.norm(self.conv(rows)) + self.norm(self.other(rows))


class CalledTwice(Classifier):
    def features(self, rows):
        return self.norm(self.conv(rows)) + self.conv(rows)


class ReadBesides(Classifier):
    def features(self, rows):
        made = self.conv(rows)
        return self.norm(made) + made


class ChangedBetween(Classifier):
    def features(self, rows):
        made = self.conv(rows)
        made += 1
        return self.norm(made)


class WeightReadBesides(Classifier):
    def features(self, rows):
        return self.norm(self.conv(rows)) * self.conv.weight.mean()


class Volumes(Classifier):
    def features(self, rows):
        return self.norm(self.conv(rows[:, :, None]))


class Residual(nn.Sequential):
    def forward(self, rows):
        return rows + super().forward(rows)


def conv(inputs=1, **settings):
    return nn.Conv2d(inputs, 8, 3, padding=1, **settings)


def as_attributes():
    return Straight(conv=conv(bias=False), norm=nn.BatchNorm2d(8))


def without_weights():
    return Straight(conv=conv(), norm=nn.BatchNorm2d(8, affine=False))


def of_volumes():
    return Volumes(conv=nn.Conv3d(1, 8, 3, padding=1), norm=nn.BatchNorm3d(8))


def of_transposed():
    return Straight(conv=nn.ConvTranspose2d(1, 8, 2, 2), norm=nn.BatchNorm2d(8))


def of_grouped_transposed():
    up = nn.ConvTranspose2d(4, 8, 2, 2, groups=2, bias=False)
    return nn.Sequential(nn.Conv2d(1, 4, 3), Straight(conv=up, norm=nn.BatchNorm2d(8)))


def of_depthwise_transposed():
    up = nn.ConvTranspose2d(8, 8, 2, 2, groups=8)
    return nn.Sequential(nn.Conv2d(1, 8, 3), Straight(conv=up, norm=nn.BatchNorm2d(8)))


def on_features():
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 8), nn.BatchNorm1d(8), nn.Linear(8, 10))


def walked_by_hand():
    return WalkedByHand(stack=nn.Sequential(conv(), nn.BatchNorm2d(8)))


def two_norms():
    return TwoNorms(conv=conv(), first=nn.BatchNorm2d(8), second=nn.BatchNorm2d(8))


def one_norm():
    return OneNorm(conv=conv(), other=conv(), norm=nn.BatchNorm2d(8))


def called_twice():
    return CalledTwice(conv=conv(), norm=nn.BatchNorm2d(8))


def read_besides():
    return ReadBesides(conv=conv(), norm=nn.BatchNorm2d(8))


def changed_between():
    return ChangedBetween(conv=conv(), norm=nn.BatchNorm2d(8))


def weight_read_besides():
    return WeightReadBesides(conv=conv(), norm=nn.BatchNorm2d(8))


def without_statistics():
    return Straight(conv=conv(), norm=nn.BatchNorm2d(8, track_running_stats=False))


def of_rows_of_steps():
    """A norm over the second of three dimensions, a linear layer over the last, of one size."""
    steps = nn.Sequential(nn.Linear(8, 8), nn.BatchNorm1d(8))
    return nn.Sequential(nn.Flatten(1, 2), steps, nn.Flatten(), nn.Linear(64, 10))


def residual():
    body = Residual(conv(8), nn.GELU(), conv(8))
    pool = (nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 10))
    return nn.Sequential(conv(), body, nn.BatchNorm2d(8), *pool)


def one_that_cannot():
    """Of two norms one can be merged."""
    return nn.Sequential(
        OrderedDict(plain=as_attributes(), wide=nn.Linear(10, 8), more=Beside(), last=nn.Identity())
    )


class Beside(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear, self.norm = nn.Linear(8, 10), nn.BatchNorm1d(10)

    def forward(self, rows):
        return self.norm(self.linear(rows)) * self.linear.weight.mean()


FOLDED = [
    *(as_attributes, without_weights, of_volumes, of_transposed),
    *(of_grouped_transposed, of_depthwise_transposed, on_features),
]
LEFT = [
    *(walked_by_hand, two_norms, one_norm, called_twice, read_besides, changed_between),
    *(weight_read_besides, without_statistics, of_rows_of_steps, residual),
]


@pytest.mark.parametrize("family", [MLP((16, 8)), ConvNet((8, 16))])
def test_folding_keeps_the_function_and_removes_the_norms(family, build):
    network = trained(build(family))
    folded = fold_batch_norm(network, rows())
    assert not norms(folded)
    assert torch.allclose(folded(rows()), network(rows()), atol=1e-5)
    files = dump(folded)
    again = restore(files["weights.safetensors"], files["spec.json"]).eval()
    assert torch.equal(again(rows()), folded(rows()))


@pytest.mark.parametrize("factory", FOLDED)
def test_a_norm_that_alone_reads_a_layer_is_folded_wherever_it_stands(factory, build):
    network = trained(build(Imported(factory)))
    folded = fold_batch_norm(network, rows())
    assert not norms(folded)
    assert torch.allclose(folded(rows()), network(rows()), atol=1e-4)


@pytest.mark.parametrize("factory", LEFT)
def test_a_norm_that_cannot_be_folded_stays_and_the_answers_with_it(factory, build):
    network = trained(build(Imported(factory)))
    folded = fold_batch_norm(network, rows())
    assert len(norms(folded)) == len(norms(network))
    assert torch.equal(folded(rows()), network(rows()))


def test_what_can_be_folded_is_where_others_cannot(build):
    network = trained(build(Imported(one_that_cannot)))
    folded = fold_batch_norm(network, rows())
    assert len(norms(network)) == 2 and norms(folded) == [folded.body.more.norm]
    assert torch.allclose(folded(rows()), network(rows()), atol=1e-4)


@pytest.mark.parametrize("factory", [as_attributes, residual, two_norms])
@pytest.mark.parametrize("step", [Quantize(), Binarize(epochs=1)])
def test_compressed_the_same_norms_are_folded(factory, step, build, context):
    network = trained(build(Imported(factory)))
    before = predict(network, seen_by(network, context.data.validation.inputs, context.data.info))
    smaller = finish(step.run(network, context))
    assert len(norms(smaller)) == (0 if factory is as_attributes else len(norms(network)))
    if isinstance(step, Quantize):
        after = predict(
            smaller, seen_by(smaller, context.data.validation.inputs, context.data.info)
        )
        assert (after - before).abs().max() < 0.05 * before.abs().max()
        assert each_once(smaller)
