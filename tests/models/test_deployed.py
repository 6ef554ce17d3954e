import pytest
import torch
from torch import nn

from automl.models.deployed import predict


class Noting(nn.Module):
    """Answers each row with its first number, and notes how many rows came at once."""

    def __init__(self):
        super().__init__()
        self.sizes = []

    def forward(self, rows):
        self.sizes.append(len(rows))
        return rows.flatten(1)[:, :1]


@pytest.mark.parametrize(
    ("row", "count", "sizes"),
    [((4,), 1000, [512, 488]), ((3, 96, 96), 100, [37, 37, 26]), ((3, 1024, 1024), 2, [1, 1])],
    ids=["numbers", "images", "huge"],
)
def test_of_large_rows_a_processor_answers_few_at_once(row, count, sizes):
    rows = torch.arange(count).reshape(-1, *[1] * len(row)).expand(-1, *row)
    network = Noting()
    assert predict(network, rows)[:, 0].tolist() == list(range(count))
    assert network.sizes == sizes
