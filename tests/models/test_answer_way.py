"""Which calls lead to the answers, whatever the order in which their modules were registered."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from automl.models.answer_way import way_to_answers


class Body(nn.Module):
    def __init__(self):
        super().__init__()
        self.head, self.aux = nn.Linear(8, 3), nn.Linear(8, 3)
        self.blocks, self.table = nn.ModuleList([nn.Linear(4, 8)]), nn.Parameter(torch.ones(4))

    def forward(self, rows):
        features = self.blocks[0](rows + self.table)
        answers, _ = self.head(features), self.aux(features)
        return answers


class BareWeight(Body):
    def forward(self, rows):
        self.aux(self.blocks[0](rows))
        return F.linear(self.blocks[0](rows + self.table), self.head.weight)


class ThroughAView(Body):
    def forward(self, rows):
        answers, features = rows.new_zeros(len(rows), 3), self.blocks[0](rows + self.table)
        answers.view(-1, 3).copy_(self.head(features))
        return answers


@pytest.mark.parametrize("kind", [Body, BareWeight, ThroughAView])
def test_the_head_is_last_and_what_is_not_in_the_answers_has_no_place(kind):
    body = kind()
    way = way_to_answers(body, torch.randn(2, 4))
    assert way.last(body.aux) == -1
    assert 0 <= way.last_of_own(body) < way.last(body.blocks) < way.last(body.head)
