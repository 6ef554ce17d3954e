import pytest

from automl.cluster.placement import Plan, Request, summarize_nodes
from automl.errors import UserError

HEAD = {"node:__internal_head__": 1.0}
A100, T4 = {"accelerator_type:A100": 1.0}, {"accelerator_type:T4": 1.0}
UNEQUAL = [{"CPU": 3.0}, {"CPU": 8.0, "GPU": 2.0}, {"CPU": 1.0}]
TYPES = [HEAD, {"CPU": 8.0, "GPU": 2.0, **A100}, {"CPU": 8.0, "GPU": 2.0, **T4}]


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
        (Request(gpus=1, gpu_type="A100"), 0, TYPES, 2),
        (Request(gpus=0.25, gpu_type="T4"), 2, TYPES, 4),
        (Request(), 0, [HEAD, {"CPU": 2.0}], 2),
    ],
)
def test_as_many_trials_as_fit_node_by_node(request_, workers, nodes, slots):
    assert Plan(request_, [workers], nodes).slots == slots


def test_small_trials_are_counted_beside_large_ones_that_all_must_fit():
    assert Plan(Request(), [0, 4], [{"CPU": 3.0}, {"CPU": 2.0}]).slots == 5
    assert Plan(Request(), [0, 6], [{"CPU": 3.0}, {"CPU": 2.0}]).slots == 0


@pytest.mark.parametrize(
    ("live", "most"),
    [
        ([], 5),
        ([0, 0], 5),
        ([0, 0, 0, 0, 0], 5),
        ([4], 2),
        ([4, 0], 2),
        ([2], 4),
        ([0, 4], 2),
        ([0, 2, 0, 0], 4),
    ],
    ids=str,
)
def test_as_many_trials_start_as_fit_beside_those_at_work_and_one_waits(live, most):
    assert Plan(Request(), [0, 2, 4], [{"CPU": 4.0}]).max_live(live) == most


def test_trials_alike_leave_the_most_as_it_is():
    for request, workers in ((Request(), 0), (Request(), 2), (Request(concurrency=2), 0)):
        plan = Plan(request, [workers], [{"CPU": 4.0}])
        assert {plan.max_live([workers] * n) for n in range(plan.max_live() + 1)} == {
            plan.max_live()
        }


def test_one_trial_more_waits_only_where_the_nodes_hold_no_more():
    nodes = [{"CPU": 4.0}]
    assert Plan(Request(), [0], nodes).max_live() == 5
    assert Plan(Request(), [2], nodes).max_live() == 3
    assert Plan(Request(concurrency=2), [0], nodes).max_live() == 2, "it would not have to wait"


def test_a_trial_that_never_fits_is_told():
    with pytest.raises(UserError, match=r"one trial needs 3 × 1 CPU, .* nodes: 1 of 2 CPUs;"):
        Plan(Request(), [3], [{"CPU": 2.0}]).check()
    with pytest.raises(UserError, match="one trial needs 1 × 9 CPUs"):
        Plan(Request(cpus=9), [0], UNEQUAL).check()


def test_a_type_of_gpu_that_no_node_has_is_told_with_those_there_are():
    with pytest.raises(UserError, match=r"GPUs of the types A100, T4; .* --gpu-type"):
        Plan(Request(gpus=1, gpu_type="H100"), [0], TYPES).check()
    with pytest.raises(UserError, match="has no GPU of any type"):
        Plan(Request(gpus=1, gpu_type="H100"), [0], UNEQUAL).check()


def test_a_plan_says_what_each_node_holds():
    words = (
        "2 trials at once, each with 3 workers of 1.5 CPUs; workers that the nodes hold: "
        "2 on a node of 3 CPUs, 5 on a node of 8 CPUs and 2 GPUs, "
        "none on a node of 1 CPU (which has too few CPUs)"
    )
    idle = "; idle: 2 GPUs, which --gpus-per-trial auto gives to trials"
    assert Plan(Request(cpus=1.5), [3], UNEQUAL).summary() == words + idle
    assert "idle" not in Plan(Request(cpus=1.5), [3], [UNEQUAL[0], UNEQUAL[2]]).summary()
    assert "idle" not in Plan(Request(gpus=0.5), [0], UNEQUAL).summary()


def test_a_plan_says_why_a_node_holds_none():
    request = Request(gpus=0.5, gpu_type="A100")
    words = (
        "2 to 8 trials at once, each with 1 to 4 workers of 1 CPU and 0.5 GPUs (A100); "
        "workers that the nodes hold: none on a node of 0 CPUs (the head, which has no A100), "
        "4 on each of 2 nodes of 8 CPUs and 2 GPUs (A100), "
        "none on a node of 8 CPUs and 2 GPUs (T4) (which has no A100)"
    )
    assert Plan(request, [0, 4], [TYPES[0], TYPES[1], *TYPES[1:]]).summary() == words
    assert "none on a node of 0 CPUs (the head, which has no CPUs)" in (
        Plan(Request(), [0], [HEAD, {"CPU": 1.0}]).summary()
    )


def test_like_nodes_are_described_together():
    words = "nodes: 1 of 3 CPUs, 1 of 8 CPUs and 2 GPUs, 2 of 1 CPU"
    assert summarize_nodes([*UNEQUAL, {"CPU": 1.0}]) == words


def test_what_no_node_can_give_is_refused():
    with pytest.raises(UserError, match="above one it must be whole"):
        Request(gpus=1.5)
    with pytest.raises(UserError, match="trials that take no GPU need no type"):
        Request(gpu_type="A100")


def test_a_bundle_has_ray_s_names():
    bundle = Request(cpus=2, gpus=0.5, gpu_type="A100").bundle()
    assert bundle == {"CPU": 2, "GPU": 0.5, "accelerator_type:A100": 0.001}
    assert Request().bundle() == {"CPU": 1.0}
