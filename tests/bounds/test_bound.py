"""What a file holds at least, against the files of trials that ran."""

import random
from dataclasses import dataclass, replace
from typing import ClassVar

import pytest
import safetensors.torch
import torch
from helpers.datasets import reviews
from helpers.trials import DIGITS, drive, finish, load
from torch import nn

from automl.bounds.bound import bound
from automl.compression.binarize import Binarize
from automl.compression.clip import Clip
from automl.compression.factorize import Factorize
from automl.compression.gptq import ROWS_IN_TURN
from automl.compression.prune import Prune
from automl.compression.quantize import Quantize
from automl.compression.remove_layers import RemoveLayers
from automl.data.sklearn import Sklearn
from automl.export.onnx import export
from automl.models.convnet import ConvNet
from automl.models.convnet1d import ConvNet1d
from automl.models.family import untrained
from automl.models.imported import Imported
from automl.models.linear import Linear
from automl.models.mlp import MLP
from automl.models.mobilenet import MobileNet, MobileNetStage
from automl.models.resnet import ResNet, ResNetStage
from automl.models.transformer import Transformer, TransformerLayer
from automl.recipe import PASSES, STATISTICS_ROWS, Sibling, Step
from automl.search_spaces import digits, series, tabular
from automl.space.sampling import sample, uniform
from automl.space.space import TrialConfig
from automl.training.distillation import Distill
from automl.training.loop import Train
from automl.training.losses import Loss
from automl.training.optimizers import Optimizer

DIABETES = Sklearn("diabetes")
ONCE = Train(epochs=1)
AGAIN = Train(label="again", epochs=1)
UNAWARE = Train(epochs=0)
IMAGES, SERIES = DIGITS, Sklearn("digits", shape=(8, 8))


def told(config):
    data = load(config.dataset)
    return bound(config, data.info, len(data.train.targets))


def of(model, *steps, dataset=IMAGES):
    return told(TrialConfig(dataset, model, steps))


def share_told(context, model, *steps, dataset=IMAGES):
    """What is told of the bytes of a file, over what they are, when the steps have run."""
    context = replace(context, data=load(dataset))
    network = untrained(model, context.data.info)
    for step in steps:
        network = finish(step.run(network, replace(context, checkpoints=Forgetful())))
    return of(model, *steps, dataset=dataset).size_bytes / len(export(network, context.data))


class Forgetful:
    """Checkpoints of which none is kept."""

    def load(self):
        return None

    def save(self, report, make):
        pass


def sampled(space, seed):
    config = sample(space, uniform(random.Random(seed)))
    steps = [replace(s, epochs=1) if isinstance(s, Train) else s for s in config.recipe]
    return replace(config, recipe=tuple(steps))


@dataclass(frozen=True)
class Halve(Step):
    pass


@dataclass(frozen=True)
class Learn(Step):
    compresses: ClassVar[bool] = False


@dataclass(frozen=True)
class Sharper(Prune):
    def apply(self, network, context):
        raise NotImplementedError


@dataclass(frozen=True)
class Coarse(Step):
    def after(self, network):
        return [network.with_bits({layer.name: 4 for layer in network.float_layers()})]


@dataclass(frozen=True)
class Paired(Loss):
    def around(self, model, info):
        raise NotImplementedError


@dataclass(frozen=True)
class Shrinking(Optimizer):
    def build(self, parameters):
        raise NotImplementedError


class Odd(nn.Module):
    """Two layers that stay, and one each that is frozen, unused, only called, called with
    constants, or another's; none of those is certain to be in a file."""

    def __init__(self):
        super().__init__()
        self.learns, self.frozen = nn.Conv2d(1, 8, 3, padding=1), nn.Conv2d(8, 8, 3, padding=1)
        self.frozen.requires_grad_(False)
        self.unused, self.called, self.constant = (nn.Linear(64, 512) for _ in range(3))
        self.first, self.second = nn.Linear(8, 8), nn.Linear(8, 8)
        self.second.weight = self.first.weight
        self.relu, self.head = nn.ReLU(inplace=True), nn.Linear(8, 10)
        self.register_buffer("table", nn.init.ones_(self.unused.weight.new_empty(1, 64)))

    def forward(self, inputs):
        self.called(inputs.flatten(1))
        hidden = self.relu(self.frozen(self.relu(self.learns(inputs)))).mean((2, 3))
        hidden = self.second(self.first(hidden))
        return self.head(hidden) + self.constant(self.table)[:, :10]


def plain():
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.AvgPool2d(8), nn.Flatten(), nn.Linear(16, 10)
    )


def odd():
    return Odd()


class Other(nn.Module):
    """Weights of no layer, of a recurrent one, and a head too small to be worth a step."""

    def __init__(self):
        super().__init__()
        self.mixed, self.head = nn.Parameter(nn.init.ones_(torch.empty(8, 64))), nn.Linear(8, 2)
        self.recurrent = nn.GRU(64, 8)

    def forward(self, inputs):
        rows = inputs.flatten(1)
        return self.head(rows @ self.mixed.T + self.recurrent(rows)[0])


class HeadFirst(nn.Module):
    """Layers in another order than that of their calls, of which the stem is the smallest."""

    def __init__(self):
        super().__init__()
        self.wide, self.head = nn.Linear(8, 512), nn.Linear(512, 10)
        self.stem, self.middle = nn.Linear(64, 8), nn.Linear(512, 512)

    def forward(self, inputs):
        hidden = self.wide(self.stem(inputs.flatten(1)).relu()).relu()
        return self.head(self.middle(hidden).relu())


def small():
    return nn.Sequential(nn.AvgPool2d(8), nn.Flatten(), nn.Linear(1, 10))


class Words(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed, self.wide, self.head = nn.Embedding(300, 8), nn.Linear(8, 64), nn.Linear(64, 2)

    def forward(self, inputs):
        return self.head(self.wide(self.embed(inputs).mean(1)))


@pytest.mark.parametrize(
    ("family", "step", "is_rejected"),
    [
        (Linear(), Prune(0.5), True),
        (Linear(), Factorize(energy=0.9), True),
        (Linear(), Quantize(bits=8), True),
        (Linear(bins=16), Quantize(bits=8), False),
        (MLP(()), Prune(0.5), True),
        (MLP((16,)), Prune(0.5), False),
        (MLP((16,)), Factorize(energy=0.9), False),
        (Imported(nn.Flatten), Prune(0.5), False),
    ],
    ids=str,
)
def test_a_step_with_nothing_to_do_is_known_before(family, step, is_rejected):
    config = TrialConfig(DIABETES, family, (ONCE, step))
    assert bound(config, load(DIABETES).info, 300).is_rejected == is_rejected


@pytest.mark.parametrize(
    ("module", "step", "is_rejected"),
    [
        (Other, Quantize(), False),
        (Other, Factorize(), True),
        (small, Quantize(), True),
        (small, Factorize(), True),
    ],
)
def test_of_a_users_module_no_more_is_rejected_than_what_shows(module, step, is_rejected):
    assert of(Imported(module), ONCE, step).is_rejected == is_rejected


@pytest.mark.parametrize("step", [Quantize(), Factorize(share=0.1), Quantize(keep=("embed",))])
def test_a_users_module_of_texts_is_not_rejected_before(step, tmp_path):
    assert not of(Imported(Words), ONCE, step, dataset=reviews(tmp_path / "r.csv")).is_rejected


SAMPLED = {digits: (0, 1, 4, 5), series: (2, 6), tabular: (11, 2)}


@pytest.mark.parametrize(
    ("module", "seed"),
    [
        pytest.param(module, seed, id=f"{module.__name__.rsplit('.')[-1]}-{seed}")
        for module, seeds in SAMPLED.items()
        for seed in seeds
    ],
)
def test_no_sampled_trial_has_a_smaller_file(module, seed, store):
    """Each seed draws a trial that completes: others are rejected, and have no file."""
    config = sampled(module.space, seed)
    _, result = drive(config, store)
    assert (result.status, result.reason) == ("complete", "")
    assert 0 < told(config).size_bytes <= result.measurement.size_bytes


TECHNIQUES = {
    "global": (ResNet((ResNetStage(8), ResNetStage(16))), Prune(0.5, scope="global"), Quantize(4)),
    "rounds": (ConvNet((24, 24)), Prune(0.6, rounds=2, fine_tune_epochs=1)),
    "depthwise": (MobileNet((MobileNetStage(8), MobileNetStage(8))), Prune(0.4), Quantize()),
    "energy": (MLP((32, 32)), Factorize(energy=0.5), Quantize()),
    "rank": (ConvNet((24, 24)), Factorize(rank=2), Quantize(4)),
    "clipped": (ConvNet((24, 24)), Clip(0.9), AGAIN, Quantize()),
    "pattern": (MLP((32, 32)), Clip(pattern="1:4"), AGAIN),
    "signs": (ConvNet((16, 16, 16)), Binarize(epochs=1, ends=False), Quantize()),
    "widths": (ConvNet((16, 15, 7)), Quantize(layer_bits=(5, 3, 1.58, 6), training=UNAWARE)),
    "average": (ConvNet((16, 16, 16)), Quantize(average_bits=2.0, training=UNAWARE)),
    "imported": (Imported(plain), Prune(0.5), AGAIN),
    "odd": (Imported(odd),),
    "head first": (Imported(HeadFirst), Quantize(bits=2, training=UNAWARE)),
    "signs of head first": (Imported(HeadFirst), Binarize(epochs=1, ends=False)),
}


@pytest.mark.parametrize("name", TECHNIQUES)
def test_no_technique_leaves_a_smaller_file(name, context):
    model, *steps = TECHNIQUES[name]
    assert 0 < share_told(context, model, ONCE, *steps) <= 1


@pytest.mark.parametrize(
    ("model", "step"),
    [
        (Transformer((TransformerLayer(2, 32), TransformerLayer(4, 16))), RemoveLayers(1)),
        (ConvNet1d((16, 16), normalisation="group"), Clip(0.2)),
    ],
    ids=["transformer", "group norm"],
)
def test_much_of_a_file_without_batch_norms_is_told(model, step, context):
    steps = (ONCE, step, Quantize(2, training=UNAWARE))
    assert 0.4 < share_told(context, model, *steps, dataset=SERIES) <= 1


@pytest.mark.parametrize(
    ("channels", "bits", "least"),
    [
        *(((24, 24, 24), bits, 0.65) for bits in (8, 6, 5, 4)),
        *(((24, 24, 24), bits, 0.5) for bits in (3, 2, 1.58, 1)),
        ((64, 96, 96), 8, 0.85),
        ((64, 96, 96), 3, 0.75),
    ],
)
def test_most_of_a_file_is_told(channels, bits, least, context):
    step = Quantize(bits, ends_bits=bits, training=UNAWARE)
    assert least < share_told(context, ConvNet(channels), ONCE, step) <= 1


def test_products_are_counted():
    assert of(MLP((32,))).macs == 64 * 32 + 32 * 10
    assert of(ConvNet((4,)), Quantize()).macs == 64 * 9 * 4 + 4 * 10
    tokens, width, heads, hidden = 8, 32, 4 * 8, 64
    linear = tokens * (8 * width + 4 * width * heads + 2 * width * hidden)
    attention = 2 * tokens**2 * heads
    one = Transformer((TransformerLayer(),))
    assert of(one, dataset=SERIES).macs == linear + attention + width * 10


def test_a_cut_model_is_told_as_one_that_never_was_wider():
    cut, narrow = of(ConvNet((32, 64)), ONCE, Prune(0.5)), of(ConvNet((16, 32)), ONCE)
    assert (cut.size_bytes, cut.macs) == (narrow.size_bytes, narrow.macs)


def test_each_choice_of_blocks_is_followed():
    layers = (TransformerLayer(1, 8), TransformerLayer(4, 64), TransformerLayer(1, 64))
    left = [of(Transformer(pair), ONCE, dataset=SERIES) for pair in (layers[:2], layers[::2])]
    removed = of(Transformer(layers), ONCE, RemoveLayers(1), dataset=SERIES)
    assert removed.size_bytes == min(one.size_bytes for one in left)
    assert removed.macs == min(one.macs for one in left)


def test_of_too_many_choices_nothing_is_told():
    many = Transformer(tuple(TransformerLayer(1, hidden) for hidden in range(8, 20)))
    assert of(many, RemoveLayers(6), dataset=SERIES).size_bytes == 0


def test_after_a_step_of_the_users_own_nothing_is_told():
    known = of(MLP((32,)), ONCE, Halve(), AGAIN)
    assert (known.size_bytes, known.macs) == (0, 0)
    assert known.steps["again"] == known.steps["train"] > 0


def test_an_optimizer_of_the_users_own_may_leave_zeros():
    assert of(MLP((64,)), Train(Shrinking())).size_bytes < 2000 < of(MLP((64,)), ONCE).size_bytes
    packed = Train(Shrinking()), Quantize(4, ends_bits=4)
    assert of(MLP((64,)), *packed).size_bytes > (64 * 64 + 64 * 10) / 2


def test_only_what_surely_stays_of_a_module_is_told():
    left = of(Imported(odd), ONCE)
    assert left.macs == 64 * 9 * 8 + 8 * 10
    assert 4 * (9 * 8 + 8 * 10) < left.size_bytes < 4 * (9 * 8 + 8 * 10) + 600
    assert of(Imported(odd)).size_bytes < left.size_bytes


def test_weights_that_a_module_comes_with_may_be_zeros(tmp_path):
    path = str(tmp_path / "net.safetensors")
    safetensors.torch.save_file(plain().state_dict(), path)
    given, own = of(Imported(plain, weights=path), ONCE), of(Imported(plain), ONCE)
    assert given.size_bytes < own.size_bytes
    assert given.macs == own.macs


def test_a_module_that_cannot_be_empty_is_not_told():
    assert of(Imported("pathlib:Path")).size_bytes == 0
    assert of(ConvNet(), dataset=Sklearn("iris")).size_bytes == 0


def test_a_step_that_would_be_rejected_tells_nothing():
    assert of(MLP((32,)), ONCE, Quantize(layer_bits=(8, 8, 8))).size_bytes == 0
    assert of(MLP((32,)), ONCE, Factorize(rank=50)).size_bytes == 0


def test_work_is_rows_times_epochs_times_products():
    rows, products = len(load(IMAGES).train.targets), 64 * 32 + 32 * 10
    steps = of(MLP((32,)), Train(epochs=5), Prune(0.5), Train(label="again", epochs=2)).steps
    assert steps["train"] == 3 * 5 * rows * products
    assert steps["again"] == 3 * 2 * rows * products // 2
    assert 0 < steps["prune"] < steps["train"]


def test_the_work_of_a_sibling_is_told_apart():
    taught = Train(epochs=1, loss=Distill(Sibling((Train(epochs=4),), MLP((64,)))))
    steps = of(MLP((32,)), taught).steps
    assert steps["train.teacher"] == of(MLP((64,)), Train(epochs=4)).steps["train"]
    assert steps["train"] > of(MLP((32,)), ONCE).steps["train"]


def test_training_that_follows_rounding_is_work():
    aware, unaware = (of(MLP((32,)), Quantize(2, training=t)).steps for t in (None, UNAWARE))
    assert aware["quantize"] > unaware["quantize"] > 0


@pytest.mark.parametrize(("bits", "num_layers"), [(4, 1), (8, 0)])
def test_layers_that_are_rounded_in_turn_are_work_each(bits, num_layers):
    steps = [
        of(MLP((32, 32)), Quantize(bits, training=UNAWARE, rounding=rounding)).steps["quantize"]
        for rounding in ("gptq", "gptaq")
    ]
    products = 64 * 32 + 32 * 32 + 32 * 10
    assert steps[1] - steps[0] == num_layers * ROWS_IN_TURN * products


def test_a_step_that_says_nothing_of_its_work_is_not_free():
    rows, products = len(load(IMAGES).train.targets), 64 * 32 + 32 * 10
    steps = of(MLP((32,)), ONCE, Halve(), Learn()).steps
    assert steps["halve"] == STATISTICS_ROWS * products
    assert steps["learn"] == PASSES * rows * products


def test_a_loss_that_trains_another_network_beside_is_twice_the_work():
    alone, beside = (of(MLP((32,)), Train(epochs=1, loss=loss)).steps for loss in (None, Paired()))
    assert beside["train"] == 2 * alone["train"]


def test_a_users_step_is_taken_at_its_word():
    known = of(MLP((64,)), ONCE, Coarse())
    assert 0 < known.size_bytes < of(MLP((64,)), ONCE).size_bytes / 4
    assert known.macs == of(MLP((64,)), ONCE).macs


def test_bounds_ignore_what_a_users_step_inherits():
    assert of(MLP((64,)), ONCE, Sharper(0.5)).size_bytes == 0
