"""The joint tables hold their whole spaces, figures hang together, and a row can be made anew."""

import statistics

import joint_tables
import pytest
import table

from automl.space import space_file
from automl.space.sampling import replay, sample
from automl.training.loop import Train

TABLES = {name: joint_tables.load(name) for name in joint_tables.NAMES}
LEAST_MEDIAN = {"digits": 0.95, "fashion": 0.75}
SMALL_FILE_BYTES = 500_000


@pytest.fixture(params=TABLES)
def name(request):
    return request.param


@pytest.fixture
def known(name):
    return TABLES[name]


def test_every_trial_of_the_space_is_in_the_table(known):
    found = [known.lookup(params) for params in joint_tables.combinations(known.space)]
    assert len(found) == len(known.rows) == len(known.by_key)


def test_the_tables_space_is_the_one_that_makes_it(name, known):
    assert known.space == space_file.load(space_file.read(joint_tables.space_file_of(name)))


def test_parameters_outside_the_space_are_not_found(known):
    params = {**known.rows[0].params, "recipe.train.optimizer": "Adam"}
    with pytest.raises(KeyError):
        known.lookup(params)


def test_a_rows_stages_are_the_steps_of_its_recipe(known):
    for row in known.rows[::50]:
        recipe = sample(known.space, replay(row.params)).recipe
        assert [stage.label for stage in row.stages] == [step.label for step in recipe]
        for step, stage in zip(recipe, row.stages):
            epochs = step.epochs if isinstance(step, Train) else 5 * (step.label == "quantize")
            assert len(stage.accuracy) == len(stage.loss) == len(stage.seconds) in (0, epochs)


def test_trials_that_begin_alike_share_their_stages(known):
    for row in known.rows:
        if row.parent is not None:
            assert row.parent.stages == row.stages[:1]
            assert row.parent.stages[0] is row.stages[0]


def test_compressed_files_are_smaller_than_their_parents(known):
    complete = [row for row in known.rows if row.status == "complete"]
    assert len(complete) > 0.95 * len(known.rows)
    for row in complete:
        assert row.parent is None or row.size_bytes < row.parent.size_bytes


def test_fewer_bits_give_no_larger_file_of_an_uncut_model_of_digits():
    known, path = TABLES["digits"], "recipe.quantize.bits"
    for row in known.rows:
        if row.params["recipe.shrink"] == "None" and row.params.get(path) in ("8", "4"):
            fewer = {"8": "4", "4": "2"}[row.params[path]]
            assert known.lookup({**row.params, path: fewer}).size_bytes <= row.size_bytes


def test_an_uncompressed_file_is_as_accurate_as_its_last_epoch(known):
    for row in known.rows:
        if row.parent is None:
            assert row.accuracy == pytest.approx(row.stages[0].accuracy[-1], abs=0.006)


def test_figures_are_plausible(name, known):
    parents = [row for row in known.rows if row.parent is None]
    assert statistics.median(row.accuracy for row in parents) > LEAST_MEDIAN[name]
    for row in known.rows:
        assert all(stage.macs > 0 and stage.total_seconds > 0 for stage in row.stages)
        assert row.export_seconds > 0
        if row.status == "complete":
            assert 0.05 < row.accuracy <= 1 and row.size_bytes > 1000 and row.latency_ms > 0
        else:
            assert row.status == "rejected" and row.reason


def test_the_file_is_small(name):
    assert joint_tables.file_of(name).stat().st_size < SMALL_FILE_BYTES


@pytest.mark.slow
def test_a_row_made_anew_learns_alike_and_its_file_is_no_larger(tmp_path):
    digits = TABLES["digits"]
    row = next(row for row in digits.rows if len(row.stages) == 4 and row.stages[3].accuracy)
    maker = table.Maker(digits.space, tmp_path)
    maker.make(row.params)
    (line,) = maker.lines.values()
    for stage, again in zip(row.stages, line["stages"].values(), strict=True):
        assert again["accuracy"] == pytest.approx(list(stage.accuracy), abs=0.02)
        assert again["loss"] == pytest.approx(list(stage.loss), rel=0.02)
        assert again["macs"] == stage.macs
    assert line["status"] == row.status
    assert line["accuracy"] == pytest.approx(row.accuracy, abs=0.02)
    assert line["size_bytes"] <= row.size_bytes
