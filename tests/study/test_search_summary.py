import pytest

from automl.study.summary import waiting_share
from automl.trial.result import Status, TrialResult


def test_the_share_of_waiting_is_of_all_the_time_of_trials():
    results = [
        TrialResult(Status.COMPLETE, seconds=7.0, waited_seconds=1.0),
        TrialResult(Status.FAILED, seconds=2.0),
    ]
    assert waiting_share(results) == pytest.approx(0.1)
    assert waiting_share([]) == 0.0
