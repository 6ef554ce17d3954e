import pytest

from automl.cluster.resources import Request, plan_slots
from automl.config import UserError


@pytest.mark.parametrize(
    ("request_", "workers", "resources", "slots"),
    [
        (Request(), 0, {"CPU": 2.0}, 2),
        (Request(cpus=2), 0, {"CPU": 5.0}, 2),
        (Request(), 2, {"CPU": 2.0}, 1),
        (Request(gpus=0.25), 0, {"CPU": 64.0, "GPU": 2.0}, 8),
        (Request(concurrency=3), 0, {"CPU": 64.0}, 3),
    ],
)
def test_as_many_trials_as_fit(request_, workers, resources, slots):
    assert plan_slots(request_, workers, resources) == slots


def test_a_trial_that_never_fits_is_told():
    with pytest.raises(UserError, match=r"one trial needs 3 × 1 CPUs .* the cluster has 2"):
        plan_slots(Request(), 3, {"CPU": 2.0})


@pytest.mark.parametrize("wrong", [{"cpus": 0}, {"concurrency": -1}, {"gpus": -1}])
def test_a_request_of_nothing_is_refused(wrong):
    with pytest.raises(UserError, match="it must"):
        Request(**wrong)
