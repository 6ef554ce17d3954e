import numpy as np
import pytest
import torch
from helpers.trials import DIGITS, drive, load

from automl.compression.prune import Prune
from automl.compression.quantize import Quantize
from automl.data.table import Table
from automl.errors import UserError
from automl.models.binned import Bins
from automl.models.deployed import Inputs
from automl.models.family import untrained
from automl.models.linear import Linear
from automl.models.mlp import MLP
from automl.space.space import TrialConfig
from automl.store import Store
from automl.training.loop import Train


@pytest.fixture
def table(tmp_path):
    numbers = np.random.default_rng(0).uniform(-3, 3, 400).round(3)
    rows = [
        f"{number if i % 20 else ''},{'uv'[i % 2]},{i % 3 % 2},{int(number > 0)}"
        for i, number in enumerate(numbers)
    ]
    (tmp_path / "a.csv").write_text("\n".join(["a,b,c,y", *rows]))
    return Table(str(tmp_path / "a.csv"), "y")


def test_a_number_fills_the_bins_below_it():
    numbers = torch.tensor([[-1.0, 5.0], [1.5, 0.0], [9.0, 2.0]])
    coded = Bins(((0.0, 1.0, 3.0), (0.0, 4.0)))(numbers)
    assert coded.tolist() == [[0, 0, 1], [1, 0.25, 0], [1, 1, 0.5]]


def test_a_missing_number_counts_as_its_column_s_mean(table):
    info, family = load(table).info, Linear(bins=8)
    missing, mean = torch.tensor([[np.nan, 0, 1], [info.inputs.mean[0], 0, 1]])
    seen = Inputs(info, family)(torch.stack([missing, mean]))
    assert torch.equal(seen[0], seen[1])
    assert seen.shape[1:] == untrained(family, info).spec.input_shape == (8 + 1 + 2,)


def test_images_have_no_bins():
    with pytest.raises(UserError, match=r"bins are for the numbers of a table.*\(1, 8, 8\)"):
        untrained(MLP(bins=8), load(DIGITS).info)


def test_a_file_holds_its_bins_and_answers_as_the_network_does(table, tmp_path):
    recipe = Train(epochs=3), Prune(0.5), Quantize(bits=8)
    _, result = drive(TrialConfig(table, MLP((32, 32), bins=8), recipe), Store(tmp_path / "store"))
    assert (result.status, result.reason) == ("complete", "")
