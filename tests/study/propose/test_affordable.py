import math

from helpers.trials import DIGITS

from automl.bounds.bound import UNKNOWN, Bound
from automl.models.convnet import ConvNet
from automl.models.mlp import MLP
from automl.space.space import TrialConfig
from automl.study.propose.affordable import Affordable, one_epoch
from automl.study.propose.candidates import Candidate
from automl.study.trial_id import TrialId
from automl.training.loop import Train
from automl.trial.result import Status, TrialResult


def config(model, epochs=10, row_share=1.0):
    recipe = Train(epochs=epochs, row_share=row_share), Train(label="tuned", epochs=2)
    return TrialConfig(DIGITS, model, recipe)


def candidate(model, parent=None):
    return Candidate({}, {}, frozenset(), config(model), parent)


def bound(macs):
    """Of ten epochs, then two of half as much."""
    return Bound(0, macs, {"train": 10 * macs, "tuned": macs})


def ended(status=Status.COMPLETE, **stages):
    return TrialResult(status, stages=stages)


def test_the_work_of_one_epoch_leaves_out_the_length():
    assert one_epoch(config(MLP()), bound(100)) == 100 + 50
    short = Bound(0, 100, {"train": 25, "tuned": 100})
    assert one_epoch(config(MLP(), 1, 0.25), short) == 100 + 50


def test_what_is_too_slow_at_its_familys_pace_is_refused():
    affordable = Affordable()
    assert not affordable.refuses(candidate(MLP()), bound(10**9))
    affordable.learn(config(MLP()), bound(100), ended(train=100.0, tuned=20.0, export=99.0), 60.0)
    assert not affordable.refuses(candidate(MLP()), bound(300))
    assert affordable.refuses(candidate(MLP()), bound(500))
    assert not affordable.refuses(candidate(ConvNet()), bound(500)), "its pace is not known"
    assert not affordable.refuses(candidate(MLP(), TrialId(0)), bound(500)), "it is trained"
    assert not affordable.refuses(candidate(MLP()), UNKNOWN)


def test_what_is_as_much_work_as_a_trial_without_time_is_refused():
    affordable = Affordable()
    affordable.learn(config(MLP()), bound(100), ended(Status.STOPPED), 60.0)
    assert affordable.refuses(candidate(MLP()), bound(100))
    assert not affordable.refuses(candidate(MLP()), bound(99))
    affordable.learn(config(ConvNet()), UNKNOWN, ended(Status.STOPPED), 60.0)
    assert affordable.too_much_work["ConvNet"] == math.inf
