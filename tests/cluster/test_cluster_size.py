"""Clusters that are too small for a trial: waited for, asked to grow, and joined by nodes."""

import json
import subprocess
import sys

import pytest
from helpers.cluster_search import EPOCHS, SPACE, Search, of
from helpers.raylets import Cluster

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def test_a_cluster_that_is_too_small_is_waited_for(tmp_path):
    with Cluster(tmp_path / "raylets") as cluster:
        cluster.add()
        search = Search(cluster, tmp_path, 2, trials=1, cpus_per_trial=2)
        try:
            why = search.wait(of("waiting"))["why"]
            assert "one trial needs 1 × 2 CPUs, the cluster has nodes: 1 of 1 CPU" in why
            cluster.add(num_cpus=2)
            assert search.wait(of("began"))["slots"] == 1
            (record,) = search.end()
        finally:
            search.close()
    assert record.result.status == "complete"


NODE_ID = "f" * 51 + "00000"
GROWS = {
    "cluster_name": "grows",
    "max_workers": 2,
    "head_node_type": "ray.head.default",
    "available_node_types": {
        "ray.head.default": {"resources": {"CPU": 0}, "node_config": {}, "max_workers": 0},
        "one_cpu": {"resources": {"CPU": 1}, "node_config": {}, "min_workers": 0, "max_workers": 2},
    },
    "idle_timeout_minutes": 1,
    "upscaling_speed": 1.0,
    "auth": {},
    "file_mounts": {},
    **dict.fromkeys(("setup_commands", "initialization_commands", "cluster_synced_files"), ()),
    **dict.fromkeys(("head_setup_commands", "head_start_ray_commands"), ()),
    **dict.fromkeys(("worker_setup_commands", "worker_start_ray_commands"), ()),
}


def test_a_cluster_grows_on_demand(tmp_path):
    """Ray's own autoscaler, its nodes raylets of this machine."""
    scaling = {
        "AUTOSCALER_UPDATE_INTERVAL_S": "1",
        "RAY_FAKE_CLUSTER": "1",
        "RAY_enable_autoscaler_v2": "1",
        "RAY_CLOUD_INSTANCE_ID": NODE_ID,
        "RAY_OVERRIDE_NODE_ID_FOR_TESTING": NODE_ID,
    }
    with Cluster(tmp_path / "raylets") as cluster:
        place = tmp_path / "grows.json"
        provider = {
            "type": "external",
            "module": "ray.autoscaler._private.fake_multi_node.node_provider.FakeMultiNodeProvider",
            "gcs_address": cluster.address,
            "head_node_id": NODE_ID,
            "launch_multiple": True,
        }
        place.write_text(json.dumps({**GROWS, "provider": provider}))
        cluster.add(f"--autoscaling-config={place}", num_cpus=0, **scaling)
        search = Search(cluster, tmp_path, EPOCHS, trials=6, early_stopping=False)
        try:
            why = search.wait(of("waiting"))["why"]
            assert "for the cluster to grow: one trial needs 1 × 1 CPU" in why
            assert search.wait(of("began"))["slots"] == 1
            asked_at = search.wait(of("waiting"))["at"]
            began_at = search.wait(of("began"))["at"]
            grown_at = search.wait(of("resized", slots=2))["at"]
            records = search.end()
        finally:
            search.close()
    assert {record.result.status for record in records} == {"complete"}
    print(
        f"asked to grow: a node after {began_at - asked_at:.1f} s, "
        f"a second after {grown_at - began_at:.1f} s of work"
    )


TWO_WORKERS = SPACE.replace("(Slow(),)", "(Slow(),), parallelism=DataParallel(2)")
TWO_WORKERS = TWO_WORKERS.replace("import Int", "import DataParallel, Int")
WANTED = """
import json, ray, sys
from ray.autoscaler.v2.sdk import get_cluster_status
ray.init(sys.argv[1], log_to_driver=False)
demands = get_cluster_status(sys.argv[1]).resource_demands.placement_group_demand
counts = [[b.bundle["CPU"], b.count] for one in demands for b in one.bundles_by_count]
print("wanted", json.dumps(counts))
"""


def test_a_trial_of_two_workers_asks_for_both_while_it_waits(tmp_path):
    with Cluster(tmp_path / "raylets") as cluster:
        cluster.add(num_cpus=2)
        options = {"trials": 3, "early_stopping": False, "trial_minutes": 5}
        search = Search(cluster, tmp_path, EPOCHS, text=TWO_WORKERS, **options)
        try:
            assert search.wait(of("began"))["slots"] == 1
            first = search.wait(of("reported"))["number"]
            wanted = []
            while wanted != [[1.0, 2]] and not any(map(of("finished"), search.events)):
                command = [sys.executable, "-c", WANTED, cluster.address]
                asked = subprocess.run(
                    command, env=cluster.environment, capture_output=True, text=True
                )
                wanted = json.loads(asked.stdout.rpartition("wanted")[2])
            assert wanted == [[1.0, 2]]
            cluster.add(num_cpus=2)
            search.wait(of("resized", slots=2))
            search.wait(lambda event: of("reported")(event) and event["number"] != first)
            records = search.end()
        finally:
            search.close()
    assert {record.result.status for record in records} == {"complete"}


def test_a_node_that_joins_without_the_store_is_left_out(tmp_path):
    place = tmp_path / "project"
    place.mkdir()
    mount = f"mount -t tmpfs none {place} && exec "
    if subprocess.run(["unshare", "-m", "sh", "-c", mount + "true"]).returncode:
        pytest.skip("this user cannot mount")
    with Cluster(tmp_path / "raylets") as cluster:
        cluster.add()
        search = Search(cluster, place, EPOCHS, trials=5, early_stopping=False)
        try:
            search.wait(of("reported"))
            cluster.add(prefix=("unshare", "-m", "sh", "-c", mount + '"$@"', "sh"))
            why = search.wait(of("left_out"))["why"]
            cluster.add()
            assert search.wait(of("resized"))["slots"] == 2
            records = search.end()
        finally:
            search.close()
    assert "does not reach the store" in why and why.endswith("until then it is left out")
    results = [record.result for record in records]
    assert [result.status for result in results] == ["complete"] * 5
    assert not any(result.notes for result in results)
    assert sum(event["event"] == "left_out" for event in search.events) == 1
