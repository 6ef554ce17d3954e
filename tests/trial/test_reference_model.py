"""A space's largest model: what cannot answer is told before any training."""

import pytest
from helpers.trials import DIGITS
from torch import nn

from automl.errors import UserError
from automl.models.imported import Imported
from automl.space.exploring import validate
from automl.space.space import Space, TrialConfig
from automl.training.loop import Train
from automl.trial.reference_model import largest


class OfEight(nn.Module):
    """A number of rows that is written into its forward."""

    def __init__(self):
        super().__init__()
        self.head = nn.Linear(64, 10)

    def forward(self, rows):
        return self.head(rows.view(8, 64))


def test_a_number_of_rows_in_a_forward_is_told(tmp_path):
    space = Space(TrialConfig(DIGITS, Imported(OfEight), (Train(epochs=1),)))
    with pytest.raises(UserError, match="answers 8 rows at once and not 2: its forward fixes"):
        largest(space, validate(space), tmp_path)
