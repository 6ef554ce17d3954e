"""What a trial's network, optimizer and batch take of a device, against tensors that are there."""

from dataclasses import dataclass, replace

import pytest
import torch
from helpers.trials import DIGITS, load
from torch import nn

from automl.bounds.device_memory import device_memory
from automl.models.convnet import ConvNet
from automl.models.family import ModelFamily, untrained
from automl.models.mlp import MLP
from automl.models.resnet import ResNet
from automl.recipe import Sibling
from automl.space.space import TrialConfig
from automl.training.distillation import Distill, Joint
from automl.training.loop import Train
from automl.training.optimizers import SGD, AdamW, GradientDescent, Optimizer
from automl.training.parallel import DataParallel
from automl.training.schedules import Exponential, Fixed

FAMILIES = [MLP((32,)), ConvNet((8, 16)), ResNet()]
COUNT = 1000


@dataclass(frozen=True)
class ReadsNumbers(ModelFamily):
    def build(self, input_shape, num_outputs):
        layer = nn.Linear(64, num_outputs)
        return nn.Sequential(nn.Flatten(), layer, Checked())


class Checked(nn.Module):
    def forward(self, rows):
        return rows if rows.sum().item() < 1e9 else rows * 0


@dataclass(frozen=True)
class Raises(Optimizer):
    def build(self, parameters):
        raise RuntimeError("no such optimizer")


def memory(model, *recipe):
    return device_memory(TrialConfig(DIGITS, model, recipe), load(DIGITS).info, COUNT)


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: type(family).__name__)
def test_a_row_takes_what_its_gradients_ask_to_be_kept(family):
    info = load(DIGITS).info
    network, kept = untrained(family, info).train(), {}
    own = {t.untyped_storage().data_ptr() for t in (*network.parameters(), *network.buffers())}
    rows = torch.zeros(2, *info.input_shape)

    def keep(tensor):
        storage = tensor.untyped_storage()
        kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        network(rows)
    seen = sum(size for pointer, size in kept.items() if pointer not in own) // 2
    assert memory(family, Train()).row_bytes == seen + 3 * rows[0].nbytes


def test_an_optimizer_s_state_counts():
    plain = memory(MLP((32,)), Train(SGD())).state_bytes
    network = untrained(MLP((32,)), load(DIGITS).info)
    numbers = sum(t.numel() for t in (*network.parameters(), *network.buffers()))
    assert plain == 2 * 4 * numbers
    assert memory(MLP((32,)), Train(AdamW())).state_bytes == 2 * plain


def test_the_largest_batch_of_a_rank_counts():
    assert memory(MLP(), Train(batch_size=Exponential(64, 8))).rows > 64
    assert memory(MLP(), Train(batch_size=Fixed(64), parallelism=DataParallel(2))).rows == 32
    assert memory(MLP(), Train(GradientDescent())).rows == COUNT


def test_what_learns_or_teaches_beside_counts():
    alone = memory(MLP((32,)), Train())
    joint = memory(MLP((32,)), Train(loss=Joint(width_factor=2.0)))
    assert joint.row_bytes > alone.row_bytes
    assert joint.state_bytes == 5 * alone.state_bytes
    sibling = Sibling((Train(),), model=MLP((512, 512)))
    taught = memory(MLP((32,)), Train(loss=Distill(sibling)))
    assert taught == memory(MLP((512, 512)), Train())


def test_the_most_demanding_step_decides():
    small, large = Train(label="small", batch_size=Fixed(8)), Train(batch_size=Fixed(256))
    assert memory(MLP(), small, large) == memory(MLP(), large)


def test_a_recipe_without_training_asks_a_network():
    found = memory(MLP((32,)))
    assert 0 < found.state_bytes < memory(MLP((32,)), Train()).state_bytes


def test_what_reads_its_numbers_is_not_known():
    assert memory(ReadsNumbers(), Train()) is None
    assert memory(MLP(), replace(Train(), optimizer=Raises())) is None
