"""The tables of long trainings: what is looked up in them is what was recorded."""

import json
import lzma

import long_tables
import pytest
from long_curves import FILE, LENGTHS


@pytest.fixture(scope="module")
def tables():
    return {table.name: table for table in long_tables.recorded()}


def test_there_is_a_table_of_each_set_and_length(tables):
    assert {table.epochs for table in tables.values()} == set(LENGTHS)
    assert len({table.source for table in tables.values()}) * len(LENGTHS) == len(tables)
    chosen = {table.source for table in tables.values() if table.is_chosen_on}
    assert len(chosen) == 3, "as many confirm"


def test_a_row_is_the_training_of_its_grid_point(tables):
    table = tables["digits_20"]
    shape, batch_size, rate, decay, dropout = (3, 1, 2, 1, 0)
    row = table.row(
        {
            "shape": shape,
            "batch_size": batch_size,
            "rate": rate,
            "weight_decay": decay,
            "dropout": dropout,
        }
    )
    recorded = json.loads(lzma.decompress(FILE.read_bytes()))["sets"]["digits"]
    right = recorded["right"]["12x12.256.20"][(rate * 2 + decay) * 2 + dropout]
    assert table.accuracy[row].tolist() == [n / recorded["num_validation"] for n in right]
    assert table.figures(row)["size_bytes"] == 4 * (65 * 12 + 13 * 12 + 13 * 10)


def test_all_rows_together_have_the_whole_hypervolume(tables):
    table = tables["mnist_5"]
    few = [table.figures(row) for row in range(10)]
    assert 0 < table.volume(few) <= table.whole < 1
