"""A chain is cut into runs of layers, where no rank would learn weights of another."""

import pytest
from torch import nn

from automl.errors import Rejected
from automl.models.family import count_parameters
from automl.training.pipeline import divided, stages

LAYER = nn.Linear(4, 4)


def tied():
    first, second = nn.Linear(4, 4), nn.Linear(4, 4)
    second.weight = first.weight
    return nn.Sequential(first, nn.ReLU(), second)


def test_the_largest_run_has_as_few_parameters_as_can_be():
    chain = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 4), nn.Linear(4, 4))
    assert max(map(count_parameters, stages(chain, 2))) == 56


def test_fewer_layers_than_workers_are_refused():
    with pytest.raises(Rejected, match="needs as many blocks with weights"):
        stages(nn.Sequential(nn.Linear(4, 4), nn.ReLU()), 2)


@pytest.mark.parametrize(
    "chain", [nn.Sequential(LAYER, nn.Linear(4, 4), LAYER), tied()], ids=["layer", "weight"]
)
def test_what_is_used_twice_is_refused(chain):
    with pytest.raises(Rejected, match="share weights"):
        stages(chain, 2)


@pytest.mark.parametrize(
    ("rows", "least", "number"), [(8, 1, 4), (6, 1, 3), (3, 1, 3), (3, 2, 1), (6, 2, 3), (1, 2, 1)]
)
def test_microbatches_are_of_as_many_rows_as_batch_norms_need(rows, least, number):
    assert divided(rows, most=4, least=least) == number
