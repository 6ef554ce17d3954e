import pytest
import torch
from torch import nn

from automl.models.imported import Imported
from automl.training.loop import Train
from automl.training.memory_format import formatted
from automl.training.optimizers import AdamW


def of_images():
    layers = nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.Conv2d(8, 8, 3, groups=8)
    return nn.Sequential(*layers, nn.Conv2d(8, 4, 1), nn.Flatten(), nn.Linear(16, 2))


def of_volumes():
    """A network that reads images as volumes, too."""
    volumes = nn.Unflatten(1, (1, 4)), nn.Conv3d(1, 4, (4, 1, 1)), nn.BatchNorm3d(4)
    layers = nn.Conv2d(1, 4, 3), *volumes, nn.Flatten()
    return nn.Sequential(*layers, nn.Linear(144, 10))


@pytest.mark.parametrize("back", [False, True])
def test_images_are_laid_out_as_torch_does(back):
    found, expected = of_images(), of_images()
    for memory_format in (torch.channels_last, torch.contiguous_format)[: 1 + back]:
        assert formatted(found, memory_format) is found
        expected.to(memory_format=memory_format)
    for own, theirs in zip(found.parameters(), expected.parameters(), strict=True):
        assert isinstance(own, nn.Parameter) and own.stride() == theirs.stride()


def test_a_network_of_volumes_and_images_trains_with_channels_last(context, build):
    step = Train(AdamW(), channels_last=True, epochs=3)
    model = build(Imported(of_volumes))
    first, *_, last = step.run(model, context)
    assert last.metrics["loss"] < first.metrics["loss"]
    assert all(parameter.is_contiguous() for parameter in model.parameters())
