import pytest
from helpers import known_search as known

from automl.tracking.pages import findings, time_spent
from automl.tracking.pages.time_spent import COMPRESSION, LOST, MEASURING, STEPS, TRAINING, Stage

COMPRESSES = {"train": False, "quantize": True}


@pytest.fixture
def records(tmp_path):
    return findings.read(known.make(tmp_path), COMPRESSES).records


def test_every_second_is_in_one_stage(records):
    stages = time_spent.stages(records, COMPRESSES)
    spent = {(stage.kind, stage.label): stage.seconds for stage in stages}
    assert spent == pytest.approx(
        {
            (TRAINING, "train"): 5 * 10.0 + 18.0 + 4.0,
            (COMPRESSION, "quantize"): 5 * 2.0,
            (MEASURING, "export"): 6 * 1.0,
            (MEASURING, "measuring, loading"): 5 * 2.0 + 14.0 + 2.0 + 1.0,
            (LOST, "stopped"): 4.0,
            (LOST, "failed"): 4.0,
        }
    )
    assert sum(spent.values()) == sum(record.result.seconds for record in records)


def test_a_step_of_no_known_kind_is_a_step(records):
    assert Stage(STEPS, "quantize", 10.0) in time_spent.stages(records, {})


def test_reuse_saved_what_the_steps_had_cost(records):
    assert time_spent.saved(records) == 7.5
