"""Searches whose trials, or whose nodes, are not all alike, over raylets of this machine."""

import pytest
from helpers.cluster_search import SPACE, TRIAL, Search, of
from helpers.raylets import Cluster, processes

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
TRAIN = "Train(epochs={epochs}, augmentations=(Slow(),)"
MIXED = SPACE.replace(TRAIN, f"{TRAIN}, parallelism=OneOf(SingleDevice(), DataParallel(2))")
MIXED = MIXED.replace("import Int, Space", "import DataParallel, Int, OneOf, SingleDevice, Space")


@pytest.fixture
def cluster(tmp_path):
    """A head without cores."""
    with Cluster(tmp_path / "raylets") as cluster:
        cluster.add(num_cpus=0)
        yield cluster


def test_trials_of_one_and_of_two_processes_are_placed_side_by_side(cluster, tmp_path):
    cluster.add(num_cpus=2)
    cluster.add(num_cpus=1)
    options = {"trials": 8, "sampler": "random", "early_stopping": False}
    search = Search(cluster, tmp_path, 30, text=MIXED, **options)
    try:
        plan = search.wait(of("planned"))["plan"]
        records = search.end()
    finally:
        search.close()
    assert plan.startswith("1 to 3 trials at once, each with 1 to 2 workers of 1 CPU; ")
    assert "none on a node of 0 CPUs (the head, which has no CPUs)" in plan
    assert {record.result.status for record in records} == {"complete"}
    kinds = [record.params["recipe.train.parallelism"] for record in records]
    assert set(kinds) == {"SingleDevice", "DataParallel"}
    workers = [1 if kind == "SingleDevice" else 2 for kind in kinds]
    reported, taken = {}, []
    for event in search.events:
        if of("reported")(event):
            reported[event["number"]] = workers[event["number"]]
        elif of("finished")(event):
            reported.pop(event["number"], None)
        taken.append(sorted(reported.values()))
    assert max(map(sum, taken)) == 3
    assert [1, 2] in taken or [1, 1, 1] in taken


def test_trials_run_on_the_type_of_gpu_that_they_want(cluster, tmp_path):
    for name in ("A100", "T4"):
        named = f'--resources={{"accelerator_type:{name}": 1}}'
        cluster.add("--num-gpus=2", named, num_cpus=2)
    options = {"gpus_per_trial": "auto", "gpu_type": "A100", "trials": 3}
    search = Search(cluster, tmp_path, 3, early_stopping=False, **options)
    try:
        assert search.wait(of("began"))["slots"] == 2
        search.wait(of("reported"))
        apart = [len(processes(node.pid, TRIAL)) for node in cluster.nodes]
        records = search.end()
    finally:
        search.close()
    assert {record.result.status for record in records} == {"complete"}
    assert apart[0] == apart[2] == 0 < apart[1]
    share, plan = (event["plan"] for event in search.events if of("planned")(event))
    assert share.endswith("auto: 1 GPUs, as no GPU of the cluster tells its memory")
    assert "none on a node of 2 CPUs and 2 GPUs (T4) (which has no A100)" in plan
