import pytest
import ray
from ray import tune

from automl.cluster import nodes
from automl.cluster.actor import TrialActor
from automl.cluster.left_out import UnfitNodeError, check_here, elsewhere, unfit_node
from automl.cluster.losses import is_lost_node
from automl.cluster.nodes import Members
from automl.cluster.portable_space import PortableSpace
from automl.errors import UserError
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


SPACE = """
from automl import MLP, Sklearn, Space, Train, TrialConfig
space = Space(TrialConfig(Sklearn("digits"), MLP((8,)), (Train(),)), ("accuracy",))
"""


def looked(members):
    """What the next look tells, once all examinations have ended."""
    ray.wait(list(members.examined.values()), num_returns=len(members.examined), timeout=60)
    return members.look()


def test_a_node_is_left_out_with_one_sentence_until_it_has_the_store(ray_session, tmp_path):
    store = Store(str(tmp_path / "store"))
    store.identify()
    members = Members(PortableSpace(SPACE, {}, str(tmp_path)), tmp_path / "cache", store)
    members.prepare()
    (node,) = members.prepared
    assert members.look() == [] and len(members.resources()) == 1
    (tmp_path / "store").rename(tmp_path / "away")
    members.leave_out(node)
    assert members.left_out_now() == [node] and members.resources() == []
    assert members.look() == []
    (why,) = looked(members)
    assert "does not reach the store" in why and why.endswith("until then it is left out")
    assert looked(members) == [], "told once"
    (tmp_path / "away").rename(tmp_path / "store")
    while members.left_out:
        assert looked(members) == []
    assert len(members.resources()) == 1


def test_a_node_that_goes_while_it_is_examined_is_left_out(ray_session):
    own, gone = ray.get_runtime_context().get_node_id(), "0" * 56
    tasks = {node: nodes._on(node, nodes._card_bytes).remote() for node in (gone, own)}
    assert nodes._told(tasks, list) == ray.get([tasks[own]])


def test_a_node_that_is_there_and_cannot_be_examined_is_told(ray_session, tmp_path):
    @ray.remote(num_cpus=0)
    def breaks():
        raise KeyError("rows")

    own = ray.get_runtime_context().get_node_id()
    with pytest.raises(UserError, match=f"the node {own} could not be examined: KeyError: 'rows'"):
        nodes._told({own: breaks.remote()}, str)


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
