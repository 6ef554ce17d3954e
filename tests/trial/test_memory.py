import pytest
from helpers.trials import finish

from automl.cluster.process_usage import ProcessUsage
from automl.models.family import count_parameters
from automl.models.mlp import MLP
from automl.training.loop import Train
from automl.training.schedules import Fixed
from automl.trial.memory import trial_bytes

MB = 2**20


def test_a_trials_memory_is_of_its_parameters_and_rows(context):
    rows = trial_bytes(0, context.data)
    assert rows == sum(s.inputs.nbytes + s.targets.nbytes for s in splits(context.data))
    assert trial_bytes(1000, context.data) - rows == 32_000


def test_a_training_takes_about_the_memory_that_was_estimated(context, build):
    usage = ProcessUsage()
    if not usage.has_peak:
        pytest.skip("the system cannot tell a trial's memory")
    before = usage.figures().peak_memory_mb
    network = build(MLP((2000, 2000)))
    finish(Train(batch_size=Fixed(1500), epochs=2).run(network, context))
    taken = (usage.figures().peak_memory_mb - before) * MB
    estimated = trial_bytes(count_parameters(network), context.data)
    assert estimated / 2 < taken < estimated * 2


def splits(data):
    return data.train, data.validation
