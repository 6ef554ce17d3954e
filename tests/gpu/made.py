"""Data, networks and trainings of the checks, made in memory: no file and no store is read."""

import copy
import math

import numpy as np
import torch

from automl.data.dataset import Data, DatasetInfo, Scaling, Split
from automl.models.convnet import ConvNet
from automl.models.convnet1d import ConvNet1d
from automl.models.family import untrained
from automl.models.linear import Linear
from automl.models.mlp import MLP
from automl.models.mobilenet import MobileNet, MobileNetStage
from automl.models.resnet import ResNet, ResNetStage
from automl.models.transformer import Transformer, TransformerLayer
from automl.recipe import Context
from automl.training.loop import Train
from automl.training.schedules import Fixed

CLASSES = 10
IMAGE, SERIES, TEXT = (1, 16, 16), (8, 32), (32,)
ENCODER = Transformer((TransformerLayer(heads=4, hidden=32),), width=16)
FAMILIES = {
    "Linear": (Linear(), IMAGE),
    "MLP": (MLP((32, 32)), IMAGE),
    "ConvNet": (ConvNet((16, 16)), IMAGE),
    "ResNet": (ResNet((ResNetStage(16), ResNetStage(24))), IMAGE),
    "MobileNet": (MobileNet((MobileNetStage(16), MobileNetStage(24))), IMAGE),
    "Transformer": (ENCODER, IMAGE),
    "Transformer-series": (ENCODER, SERIES),
    "Transformer-text": (ENCODER, TEXT),
    "ConvNet1d": (ConvNet1d((16, 16)), SERIES),
    "ConvNet1d-text": (ConvNet1d((16, 16)), TEXT),
}


class InMemory:
    """Checkpoints that are kept in memory."""

    def __init__(self):
        self.kept = None

    def load(self):
        return self.kept

    def save(self, report, make):
        self.kept = report.epoch, make()


def data(shape, count=512, seed=0):
    """Rows of ten classes, each a pattern under noise: uint8 of images and text, else numbers."""
    random = np.random.default_rng(seed)
    patterns = random.integers(0, 256, (CLASSES, *shape))
    total = count + count // 4
    targets = random.integers(0, CLASSES, total)
    noise = random.integers(0, 256, (total, *shape))
    rows = np.where(random.random((total, *shape)) < 0.4, patterns[targets], noise)
    is_text, is_series = shape == TEXT, shape == SERIES
    inputs = rows.astype(np.float32) if is_series else rows.astype(np.uint8)
    info = DatasetInfo(
        input_shape=shape,
        num_outputs=CLASSES,
        classes=tuple(map(str, range(CLASSES))),
        class_counts=tuple(np.bincount(targets[:count], minlength=CLASSES).tolist()),
        columns=(),
        num_tokens=256 if is_text else 0,
        inputs=Scaling((), ()) if is_text else Scaling((128.0,) * shape[0], (74.0,) * shape[0]),
        targets=Scaling((), ()),
    )
    numbers = np.arange(total)
    train, validation = (
        Split(inputs[part], targets[part], numbers[part])
        for part in (slice(count), slice(count, None))
    )
    return Data(train, validation, info)


def context(some, device, checkpoints=None):
    return Context(some, 0, device, None, checkpoints or InMemory())


def network(family, some):
    torch.manual_seed(0)
    return untrained(family, some.info)


def step(optimizer, **options):
    return Train(optimizer, **{"batch_size": Fixed(64), "epochs": 1, **options})


def trained(family, some, train, device, checkpoints=None):
    """The weights after a training, on the processor; its last report; and its notes."""
    own, last = context(some, device, checkpoints), None
    reports = train.run(network(family, some), own)
    while True:
        try:
            last = next(reports)
        except StopIteration as end:
            state = copy.deepcopy(end.value).cpu().state_dict()
            return state, last, own.notes


def moved_apart(found, expected, start):
    """The distance of two trainings' weights, in that which the second one moved them."""
    names = [name for name, tensor in expected.items() if tensor.is_floating_point()]
    apart = sum((found[n] - expected[n]).double().square().sum().item() for n in names)
    moved = sum((expected[n] - start[n]).double().square().sum().item() for n in names)
    return math.sqrt(apart / max(moved, 1e-30))


def equal(found, expected):
    return all(torch.equal(found[name], tensor) for name, tensor in expected.items())
