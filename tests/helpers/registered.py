"""Every registered choice, and an example of each."""

import tempfile
from dataclasses import MISSING, fields
from pathlib import Path

import pytest
import torch

from automl.config import choices, import_choices
from automl.models.family import ModelFamily
from automl.models.pretrained import Pretrained
from automl.recipe import Step
from automl.training.augmentation import Augmentation
from automl.training.averaging import Average
from automl.training.losses import Loss
from automl.training.optimizers import Optimizer
from automl.training.schedules import Fixed, Schedule
from helpers.pretrained import image_encoder

import_choices()
EXAMPLES = {"int": 8, "float": 0.5, "tuple[int, ...]": (16, 16), "Schedule": Fixed(0.5)}

KINDS = [Optimizer, Schedule, Loss, Augmentation, Average, Step, ModelFamily]


def net():
    """A user's own module, for the family that takes one."""
    layers = torch.nn.Linear(64, 16), torch.nn.ReLU(), torch.nn.Linear(16, 10)
    return torch.nn.Sequential(torch.nn.Flatten(), *layers)


def example(cls):
    """A value of a config class: its defaults, and by their type or name what has none."""
    if cls is Pretrained:
        return Pretrained(f"hf/{image_encoder(Path(tempfile.mkdtemp()))}")
    needed = [f for f in fields(cls) if f.default is MISSING and f.default_factory is MISSING]
    return cls(**{f.name: net if f.name == "factory" else EXAMPLES[f.type] for f in needed})


def ours(kind):
    return [cls for cls in choices(kind).values() if cls.__module__.startswith("automl.")]


def examples(kind):
    return [pytest.param(example(cls), id=cls.__name__) for cls in ours(kind)]
