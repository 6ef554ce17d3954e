import pytest

from automl.cluster.placement import Plan, Request, summarize_nodes
from automl.errors import UserError

UNEQUAL = [{"CPU": 3.0}, {"CPU": 8.0, "GPU": 2.0}, {"CPU": 1.0}]


@pytest.mark.parametrize(
    ("request_", "workers", "nodes", "slots"),
    [
        (Request(), 0, [{"CPU": 2.0}], 2),
        (Request(cpus=2), 0, [{"CPU": 5.0}], 2),
        (Request(), 2, [{"CPU": 2.0}], 1),
        (Request(gpus=0.25), 0, [{"CPU": 64.0, "GPU": 2.0}], 8),
        (Request(gpus=0.4), 0, [{"CPU": 64.0, "GPU": 2.0}], 4),
        (Request(gpus=2), 0, [{"CPU": 64.0, "GPU": 3.0}, {"GPU": 1.0}], 1),
        (Request(concurrency=3), 0, [{"CPU": 64.0}], 3),
        (Request(cpus=2), 0, UNEQUAL, 5),
        (Request(cpus=2), 4, UNEQUAL, 1),
        (Request(gpus=0.5), 3, UNEQUAL, 1),
        (Request(cpus=0.1), 0, [{"CPU": 0.3}], 3),
    ],
)
def test_as_many_trials_as_fit_node_by_node(request_, workers, nodes, slots):
    assert Plan(request_, workers, nodes).slots == slots


def test_one_trial_more_waits_only_where_the_nodes_hold_no_more():
    nodes = [{"CPU": 4.0}]
    assert Plan(Request(), 0, nodes).max_live == 5
    assert Plan(Request(concurrency=2), 0, nodes).max_live == 2, "it would not have to wait"
    assert Plan(Request(), 2, nodes).max_live == 2, "it holds next to nothing"


def test_a_trial_that_never_fits_is_told():
    with pytest.raises(UserError, match=r"one trial needs 3 × 1 CPUs, .* nodes: 1 of 2 CPUs;"):
        Plan(Request(), 3, [{"CPU": 2.0}]).check()
    with pytest.raises(UserError, match="one trial needs 1 × 9 CPUs"):
        Plan(Request(cpus=9), 0, UNEQUAL).check()


def test_a_plan_says_what_each_node_holds():
    words = (
        "2 trials at once, each with 3 workers of 1.5 CPUs; workers that each node holds: "
        "2 on 3 CPUs, 5 on 8 CPUs and 2 GPUs, 0 on 1 CPUs"
    )
    assert Plan(Request(cpus=1.5), 3, UNEQUAL).summary() == words


def test_like_nodes_are_described_together():
    words = "nodes: 1 of 3 CPUs, 1 of 8 CPUs and 2 GPUs, 2 of 1 CPUs"
    assert summarize_nodes([*UNEQUAL, {"CPU": 1.0}]) == words


def test_a_request_of_a_share_of_two_gpus_is_refused():
    with pytest.raises(UserError, match="above one it must be whole"):
        Request(gpus=1.5)
