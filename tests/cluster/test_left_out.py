import pytest
import ray
from ray import tune

from automl.cluster.actor import TrialActor
from automl.cluster.left_out import UnfitNodeError, check_here, elsewhere, unfit_node
from automl.cluster.losses import is_lost_node
from automl.store import Store


def test_a_process_says_that_its_node_does_not_reach_the_store(ray_session, tmp_path):
    store = Store(str(tmp_path / "store"))
    store.identify()
    check_here(store)
    with pytest.raises(UnfitNodeError) as raised:
        check_here(Store(str(tmp_path / "elsewhere"), store.identity))
    own = ray.get_runtime_context().get_node_id()
    assert unfit_node(f"the actor died: {raised.value}\n") == own
    assert "does not reach the store" in str(raised.value) and "--home" in str(raised.value)
    assert unfit_node("the actor died") == ""


def test_a_trial_may_be_on_any_node_but_those_left_out():
    config = {"assignment": None, "num_workers": 0, "bundle": {"CPU": 1.0}, "left_out": []}
    anywhere = TrialActor.default_resource_request(config)
    assert anywhere == tune.PlacementGroupFactory([{"CPU": 1.0}])
    kept_from = TrialActor.default_resource_request({**config, "left_out": ["b", "a"]})
    assert kept_from != anywhere
    assert elsewhere(["b", "a"]) == {"ray.io/node-id": "!in(a, b)"}


def test_a_trial_with_workers_takes_no_cpu_from_them():
    config = {"assignment": None, "num_workers": 2, "bundle": {"CPU": 1.0}, "left_out": []}
    assert "CPU" not in TrialActor.default_resource_request(config).required_resources


@pytest.mark.parametrize(
    ("error", "is_node"),
    [
        ("The actor died because its node has died. Node Id: 00ff", True),
        ("the node was preempted", True),
        ("Worker exit type: OUT_OF_MEMORY", False),
        ("Worker unexpectedly exits with a connection error", False),
    ],
)
def test_a_node_that_goes_is_told_from_a_process_that_ends(error, is_node):
    assert is_lost_node(error) == is_node
