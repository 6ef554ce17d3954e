"""Factorize: shapes really change, functions stay near, what cannot be is told."""

from copy import deepcopy
from dataclasses import replace

import numpy as np
import pytest
import torch
from helpers.families import DATASETS, IMAGE, SERIES, SMALL, built, parametrized
from helpers.trials import DIGITS, drive, finish, load
from torch import nn

from automl.compression.coded_weight import each_once
from automl.compression.factorize import Factorize
from automl.compression.factorized_layers import METHODS, Factored, Moments
from automl.compression.fold_batch_norm import fold_batch_norm
from automl.compression.prune import Prune
from automl.compression.quantize import Quantize
from automl.config import decode, encode
from automl.errors import Rejected, UserError
from automl.export import onnx
from automl.models.convnet import ConvNet
from automl.models.deployed import Deployed, predict, seen_by
from automl.models.family import chain, count_parameters, dump, restore
from automl.models.imported import Imported
from automl.models.mlp import MLP
from automl.models.plain_layers import KINDS, described
from automl.models.resnet import ResNet, ResNetStage
from automl.models.transformer import Transformer
from automl.models.weights import weights
from automl.recipe import Context
from automl.runtimes import onnx as runtime
from automl.space.space import TrialConfig
from automl.store import Store
from automl.training.loop import Train
from automl.training.schedules import Cosine
from automl.trial.checkpoints import Checkpoints

RESNET = ResNet((ResNetStage(16), ResNetStage(32)))
TRAINED = [MLP((128, 64)), ConvNet((32, 64)), RESNET, Transformer()]


def copy(network):
    files = dump(network)
    return restore(files["weights.safetensors"], files["spec.json"]).eval()


def accuracy(network, data):
    rows = data.validation
    answers = predict(network, seen_by(network, rows.inputs, data.info)).argmax(1).numpy()
    return (answers == rows.targets).mean()


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A network of each of these families, trained on digits."""
    networks = {}
    for family in TRAINED:
        checkpoints = Checkpoints(Store(str(tmp_path_factory.mktemp("store"))), "step")
        context = Context(load(DIGITS), 0, "cpu", lambda label: None, checkpoints)
        step = Train(learning_rate=Cosine(0.01), epochs=5)
        networks[family] = finish(step.run(built(family, IMAGE), context))
    return networks


@pytest.mark.parametrize("family", TRAINED, ids=lambda family: type(family).__name__)
def test_what_layers_give_tells_more_than_their_weights(family, trained, context):
    """PCA against SVD with the same shapes, before any fine-tuning."""
    whole, data = trained[family], context.data
    rows = seen_by(whole, data.validation.inputs, data.info)
    found, errors = {}, {}
    for method in ("pca", "svd"):
        step = Factorize(linear=method, convolution=method, share=0.5, keep=("head",))
        found[method] = step.apply(copy(whole), context)
        errors[method] = (predict(found[method], rows) - predict(whole, rows)).norm()
    shapes = [[p.shape for p in fold_batch_norm(n, rows).parameters()] for n in found.values()]
    assert shapes[0] == shapes[1]
    assert errors["pca"] < 0.9 * errors["svd"]
    if isinstance(family, ResNet | Transformer):
        # The others lose next to nothing by either: a row more or less is the machine's rounding.
        assert accuracy(found["pca"], data) - accuracy(found["svd"], data) >= 0.05


@pytest.mark.parametrize("convolution", ["tucker", "spatial", "pca", "svd"])
def test_more_rank_is_more_numbers_and_less_error(convolution, trained, context):
    whole = trained[RESNET]
    rows = seen_by(whole, context.data.validation.inputs, context.data.info)
    errors, numbers = [], []
    for share in (0.1, 0.25, 0.4):
        step = Factorize(convolution=convolution, share=share, keep=("stem", "head"))
        smaller = step.apply(copy(whole), context)
        errors.append((predict(smaller, rows) - predict(whole, rows)).norm().item())
        numbers.append(count_parameters(smaller))
    assert errors[0] > errors[1] > errors[2]
    assert numbers[0] < numbers[1] < numbers[2] < count_parameters(whole)


@pytest.mark.parametrize("family", TRAINED[::2], ids=lambda family: type(family).__name__)
def test_ranks_go_to_the_layers_that_miss_them_most(family, trained, context):
    """As many numbers as at one share of the rank everywhere, and far nearer answers."""
    whole, data = trained[family], context.data
    rows = seen_by(whole, data.validation.inputs, data.info)
    even = Factorize(share=0.4).apply(copy(whole), context)
    layers = [name for name, layer in whole.body.named_modules() if isinstance(layer, KINDS)]
    sizes = {
        network: sum(count_parameters(network.body.get_submodule(name)) for name in layers)
        for network in (whole, even)
    }
    average = sizes[even] / sizes[whole]
    spread = Factorize(average_share=average).apply(copy(whole), context)
    held = sum(count_parameters(spread.body.get_submodule(name)) for name in layers)
    assert 0.8 * sizes[even] <= held <= sizes[even]
    errors = [(predict(n, rows) - predict(whole, rows)).norm() for n in (even, spread)]
    assert errors[1] < 0.6 * errors[0]
    (note,) = context.notes
    measured = context.sensitivity["factorize"].layers
    assert list(measured) == layers
    for name, own in measured.items():
        sizes = [option.size for option in own]
        assert sizes[0] == count_parameters(whole.body.get_submodule(name))
        assert sizes == sorted(set(sizes), reverse=True)
        assert own[0].loss == 0 < own[-1].loss
        assert f"{name} " in note


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths")
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    "layer",
    [
        nn.Conv2d(6, 8, 3, padding=1),
        nn.Conv2d(6, 8, 3, stride=2, padding=(0, 2), bias=False),
        nn.Conv2d(6, 8, (3, 5), stride=(1, 2), dilation=(2, 1), padding=2),
        nn.Conv2d(6, 8, 4, padding="same"),
        nn.Conv2d(6, 8, (2, 4), padding="valid", dilation=2),
        nn.Conv2d(6, 8, 3, padding=1, padding_mode="circular"),
        nn.Conv2d(6, 8, (1, 5), padding=(0, 2)),
        nn.Conv1d(6, 8, 5, stride=2, padding=3, dilation=2),
        nn.Conv1d(6, 8, 4, padding="same", padding_mode="replicate"),
    ],
    ids=str,
)
def test_at_full_rank_a_convolution_is_the_same_whatever_its_settings(method, layer):
    rows = torch.randn(32, 6, *[12, 13][: layer.weight.dim() - 2])
    given = layer(rows).detach().movedim(1, -1).flatten(0, -2)
    moments = Moments(given.mean(0), given.T.cov(correction=0))
    factors = METHODS[method](layer, moments, len)
    assert {type(part) for part in factors} == {type(layer)}
    assert torch.allclose(factors(rows), layer(rows), atol=1e-4)
    edit = decode(encode(Factored(tuple(map(described, factors)))))
    rebuilt = edit.rebuild(deepcopy(layer))
    rebuilt.load_state_dict(factors.state_dict())
    assert torch.equal(rebuilt(rows), factors(rows))


def between(kind, inputs, outputs, kernel=0):
    """A user's own module: a layer of this kind between a first one and a head."""
    layer = getattr(nn, kind)(inputs, outputs, *[kernel][: kernel > 0])
    head = ("flatten", nn.Flatten()), ("head", nn.Linear(outputs, 10))
    if kind == "Linear":
        return chain([head[0], ("first", nn.Linear(64, inputs)), ("layer", layer), head[1]])
    first = nn.Conv2d(1, inputs, 1) if kind == "Conv2d" else nn.Conv1d(8, inputs, 1)
    average = nn.AdaptiveAvgPool2d(1) if kind == "Conv2d" else nn.AdaptiveAvgPool1d(1)
    return chain([("first", first), ("layer", layer), ("average", average), *head])


@pytest.mark.parametrize(
    ("method", "kind", "sizes", "shapes"),
    [
        ("tucker", "Conv2d", (16, 32, 3), [(8, 16, 1, 1), (8, 8, 3, 3), (32, 8, 1, 1)]),
        ("spatial", "Conv2d", (16, 32, 3), [(8, 16, 3, 1), (32, 8, 1, 3)]),
        ("pca", "Conv2d", (16, 32, 3), [(8, 16, 3, 3), (32, 8, 1, 1)]),
        ("tucker", "Conv1d", (16, 32, 5), [(8, 16, 1), (8, 8, 5), (32, 8, 1)]),
        ("spatial", "Conv1d", (16, 32, 5), [(8, 16, 5), (32, 8, 1)]),
        ("pca", "Conv2d", (32, 64, 1), [(8, 32, 1, 1), (64, 8, 1, 1)]),
        ("svd", "Linear", (64, 32), [(8, 64), (32, 8)]),
    ],
)
def test_a_layer_becomes_ordinary_layers_of_the_rank(method, kind, sizes, shapes, context):
    shape = SERIES if kind == "Conv1d" else IMAGE
    options = dict(zip(("kind", "inputs", "outputs", "kernel"), (kind, *sizes)))
    network = built(Imported(between, options=options), shape)
    linear = method if method in ("pca", "svd") else "none"
    step = Factorize(linear, method, rank=8, keep=("first", "head"))
    found = step.apply(network, replace(context, data=load(DATASETS[shape])))
    layer = found.body.layer
    assert [tuple(part.weight.shape) for part in layer.children()] == shapes
    # What a forward may read of the layer is there: its kind, its sizes, and its weight.
    assert isinstance(layer, getattr(nn, kind))
    assert layer.weight.shape == network.body.layer.weight.shape
    rows = torch.randn(2, *{"Linear": (64,), "Conv1d": (16, 9), "Conv2d": (sizes[0], 9, 9)}[kind])
    assert layer(rows).shape == network.body.layer(rows).shape


@parametrized([*SMALL[:5], *SMALL[7:9]])
def test_fine_tuned_and_quantized_factors_are_what_the_file_computes(family, shape, context):
    data = load(DATASETS[shape])
    context = replace(context, data=data)
    network = built(family, shape, len(data.info.classes))
    smaller = Factorize(share=0.25).apply(network, context)
    assert count_parameters(smaller) < count_parameters(network)
    rows = seen_by(smaller, data.validation.inputs[:64], data.info)
    assert torch.equal(predict(copy(smaller), rows), predict(smaller, rows))
    before = [p.clone() for p in smaller.parameters()]
    tuned = finish(Train(label="fine_tune", epochs=1).run(smaller, context))
    assert not any(torch.equal(p, q) for p, q in zip(tuned.parameters(), before))
    quantized = finish(Quantize().run(tuned, context))
    factors = sum(len(edit.factors) for edit in smaller.spec.layer_edits.values())
    layers = each_once(quantized)
    assert len(layers) > factors - len(smaller.spec.layer_edits)
    assert not [weight.name for weight in weights(quantized.body) if weight.is_of_layer]
    raw = data.validation.inputs[:256]
    own = predict(Deployed(copy(quantized), data.info), torch.from_numpy(raw)).numpy()
    shipped = runtime.run(runtime.session(onnx.export(quantized, data)), raw)
    assert np.abs(own - shipped).max() < 0.05 * np.abs(own).max()


@pytest.mark.parametrize("family", TRAINED[:3], ids=lambda family: type(family).__name__)
def test_the_batch_norm_after_a_layer_goes_into_its_last_factor(family, trained, context):
    smaller = Factorize(share=0.3).apply(copy(trained[family]), context)
    rows = seen_by(smaller, context.data.validation.inputs, context.data.info)
    folded = fold_batch_norm(copy(smaller), rows)
    assert not any(isinstance(m, nn.modules.batchnorm._BatchNorm) for m in folded.modules())
    assert torch.allclose(predict(folded, rows), predict(smaller, rows), atol=1e-4)
    assert torch.equal(predict(copy(folded), rows), predict(folded, rows))


def test_a_factor_can_be_factorised_again(trained, context):
    once = Factorize(linear="svd", share=0.4, keep=("head",)).apply(
        copy(trained[TRAINED[0]]), context
    )
    twice = Factorize(linear="svd", share=0.4, keep=("head",)).apply(copy(once), context)
    assert "block0.linear" in once.spec.layer_edits
    assert set(twice.spec.layer_edits) > set(once.spec.layer_edits)
    rows = torch.randn(8, *IMAGE)
    assert torch.equal(copy(twice)(rows), twice(rows))
    assert count_parameters(twice) < count_parameters(once)


def test_grouped_convolutions_stay(context):
    family, shape = next(case for case in SMALL if type(case[0]).__name__ == "MobileNet")
    smaller = Factorize(share=0.25).apply(built(family, shape), context)
    changed = set(smaller.spec.layer_edits)
    assert any("expand" in name for name in changed)
    assert not any("depthwise" in name for name in changed)


def test_a_layer_under_several_names_is_factorised_under_each(context):
    family = ResNet((ResNetStage(16, 3, shared=True),))
    smaller = Factorize(share=0.25).apply(built(family, IMAGE), context)
    assert "stage0.block0.path.first.conv" in smaller.spec.layer_edits
    layers = [smaller.body.get_submodule(f"stage0.block{i}.path.first.conv") for i in range(3)]
    assert layers[0] is layers[1] is layers[2]
    rows = torch.randn(4, *IMAGE)
    assert torch.equal(copy(smaller)(rows), smaller(rows))


class GivesAnother(nn.Module):
    """Calls a layer with another weight than its own."""

    def __init__(self):
        super().__init__()
        self.given, self.head = nn.Linear(64, 48), nn.Linear(48, 10)
        self.added = nn.Parameter(torch.zeros(48, 64))

    def forward(self, rows):
        own = {"weight": self.given.weight + self.added, "bias": self.given.bias}
        return self.head(torch.func.functional_call(self.given, own, (rows.flatten(1),)).relu())


def test_a_layer_that_is_given_another_weight_stays(build, context):
    smaller = Factorize(share=0.3).apply(build(Imported(GivesAnother)), context)
    given, head = (o for o in context.outcomes["factorize"] if o.tensor != "added")
    assert given.reason == "reads its weight in a way that cannot be followed"
    assert head.change == "2 factors"
    assert predict(smaller, torch.zeros(2, 1, 8, 8)).isfinite().all()
    with pytest.raises(Rejected, match="could change nothing: given: reads its weight"):
        Factorize(share=0.3, keep=("head",)).apply(build(Imported(GivesAnother)), context)


def test_a_trial_of_lower_rank_is_smaller(store):
    train = Train(learning_rate=Cosine(0.01), epochs=4)
    steps = (Factorize(energy=0.95), Train(label="fine_tune", epochs=2), Quantize())
    sizes = []
    for recipe in ((train,), (train, *steps)):
        _, result = drive(TrialConfig(DIGITS, MLP((64, 64)), recipe), store)
        assert (result.status, result.reason) == ("complete", "")
        assert result.measurement.quality["accuracy"] > 0.9
        sizes.append(result.measurement.size_bytes)
    assert sizes[0] > 4 * sizes[1]


@pytest.mark.parametrize(
    ("step", "reason"),
    [
        (Factorize(rank=17), "rank 17 is above 16, the largest of layer 'block0.linear'"),
        (Factorize(rank=11), r"above 10, the largest of layer 'head'; give at most 10, or leave"),
        (Factorize(rank=9), "could change nothing: .*head: would hold as many numbers or more"),
        (Factorize(energy=1.0), "change nothing: block0.linear, head: would hold as many"),
        (Factorize("none", "none"), "block0.linear, head: is left out by the methods chosen"),
        (Factorize("pcs"), "unknown linear 'pcs'; did you mean 'pca'"),
        (Factorize(convolution="tuker"), "unknown convolution 'tuker'; did you mean 'tucker'"),
        (
            Factorize(energy=0.0),
            "energy 0.0, share 0.0 or average_share 0.0 is not between 0 and 1",
        ),
        (Factorize(share=1.5), "share 1.5 or average_share 0.0 is not between 0 and 1"),
        (Factorize(rank=4, share=0.5), "both given; give one"),
        (Factorize(average_share=1.2), "average_share 1.2 is not between 0 and 1"),
        (Factorize(average_share=0.3, share=0.5), "share 0.5 and average_share 0.3 are both"),
        (Factorize(average_share=0.01), r"keep 0\.11\d of the .* not 0\.01"),
        (Factorize(average_share=1.0), "could change nothing: .* at this rank"),
        (Factorize(rank=-1), "rank -1 is below 1"),
        (Factorize(keep=("haed",)), "unknown layer 'haed'; did you mean 'head'"),
    ],
)
def test_what_cannot_be_is_rejected_in_one_sentence(step, reason, build, context):
    if step == Factorize(rank=9):
        step = replace(step, keep=("block0",))
    with pytest.raises(Rejected, match=reason):
        step.apply(build(MLP((16,))), context)


def test_what_no_model_makes_right_is_caught_by_the_check():
    with pytest.raises(UserError, match="give one"):
        Factorize(rank=4, share=0.5).check(())
    Factorize(rank=400).check(())


def test_layers_are_factorised_after_pruning_and_before_quantizing(build, context):
    smaller = Factorize(share=0.2).apply(build(MLP((64,))), context)
    with pytest.raises(Rejected, match="Prune"):
        Prune(0.5).apply(smaller, context)
    with pytest.raises(Rejected, match="no layer left"):
        Factorize(share=0.2).apply(finish(Quantize().run(smaller, context)), context)
    pruned = Prune(0.5).apply(build(MLP((64,))), context)
    again = Factorize(share=0.2).apply(pruned, context)
    factors = [tuple(factor.weight.shape) for factor in again.body.block0.linear.children()]
    assert factors == [(6, 64), (32, 6)]
