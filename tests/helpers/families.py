"""Small models of every family, and data that each of them takes."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from automl.data.sklearn import Sklearn
from automl.data.text import Text
from automl.models.convnet import ConvNet
from automl.models.convnet1d import ConvNet1d
from automl.models.ensemble_mlp import EnsembleMLP
from automl.models.family import Network, Spec
from automl.models.gated_convnet import GatedConvNet, GatedStage
from automl.models.linear import Linear
from automl.models.mlp import MLP
from automl.models.mobilenet import MobileNet, MobileNetStage
from automl.models.resnet import ResNet, ResNetStage
from automl.models.transformer import Transformer, TransformerLayer
from helpers.trials import DIGITS

IMAGE, SERIES, TEXT = (1, 8, 8), (8, 8), (16,)

NAMES = Path(__file__).parents[2] / "automl" / "search_spaces" / "first_names.csv"

DATASETS = {IMAGE: DIGITS, SERIES: Sklearn("digits", SERIES), TEXT: Text(str(NAMES), *TEXT)}

ENCODER = Transformer((TransformerLayer(heads=4, hidden=32),))

SMALL = [
    (Linear(), IMAGE),
    (MLP((16,)), IMAGE),
    (EnsembleMLP((16,), 2), IMAGE),
    (ConvNet((16, 16)), IMAGE),
    (ResNet((ResNetStage(16), ResNetStage(24))), IMAGE),
    (MobileNet((MobileNetStage(16, squeeze=4), MobileNetStage(24, squeeze=8))), IMAGE),
    (GatedConvNet((GatedStage(16), GatedStage(24)), 5), IMAGE),
    (ENCODER, IMAGE),
    (replace(ENCODER, layer_scale=0.1), SERIES),
    (ENCODER, TEXT),
    (ConvNet1d((16, 16)), SERIES),
    (ConvNet1d((16, 16)), TEXT),
    (GatedConvNet((GatedStage(16, squeeze=4), GatedStage(24)), 5), SERIES),
]

SHARED = [
    (ResNet((ResNetStage(8, 2, shared=True), ResNetStage(12, 3, shared=True, squeeze=4))), IMAGE),
    (MobileNet((MobileNetStage(8, 1), MobileNetStage(12, 3, shared=True))), IMAGE),
    (replace(ENCODER, layers=ENCODER.layers * 3, shared=True), IMAGE),
]
"""Families whose blocks or layers have weights in common."""


def parametrized(cases):
    kinds = {IMAGE: "image", SERIES: "series", TEXT: "text"}
    named = [pytest.param(*case, id=f"{type(case[0]).__name__}-{kinds[case[1]]}") for case in cases]
    return pytest.mark.parametrize(("family", "shape"), named)


def built(family, shape, num_outputs=10):
    torch.manual_seed(0)
    return Network(Spec(family, shape, num_outputs, num_tokens=256 if shape == TEXT else 0))
