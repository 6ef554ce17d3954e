"""Faults put into a search over three nodes: what each costs, and how long until work goes on."""

import itertools
import json
import signal
import subprocess
import sys
import time

import pytest
from helpers.cluster_search import EPOCHS, SPACE, TRIAL, Search, of
from helpers.networks import Networks, why_none
from helpers.raylets import BIN, Cluster, automl, kill, processes, send
from helpers.trials import load
from ray._common.utils import get_system_memory
from ray._private.utils import get_used_memory

from automl.data.sklearn import Sklearn

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture
def searching(tmp_path):
    """Starts a search over three nodes of one CPU each; ends all of it."""
    with Cluster(tmp_path / "raylets") as cluster:
        for _ in range(3):
            cluster.add()
        started = []

        def start(epochs, **options):
            started.append(Search(cluster, tmp_path, epochs, **options))
            return cluster, started[-1]

        yield start
        for search in started:
            search.close()


def test_each_trial_ends_once_while_nodes_go_and_come(searching):
    cluster, search = searching(3, trials=40, early_stopping=False)
    assert search.wait(of("began"))["slots"] == 3
    search.wait(of("finished", number=8))
    victim = cluster.nodes[1]
    killed_at = time.time()
    kill(victim)
    lost = search.wait(of("lost"))
    smaller = search.wait(of("resized", slots=2))
    cluster.add()
    larger = search.wait(of("resized", slots=3))
    records = search.end()
    events = search.events
    numbers = [event["number"] for event in events if event["event"] == "finished"]
    assert sorted(numbers) == list(range(40)) == [record.id.number for record in records]
    assert {record.result.status for record in records} == {"complete"}
    number = lost["number"]
    # On a busy machine a node may go before its trial's first report.
    reported = [
        e["at"] for e in events if of("reported", number=number)(e) and e["at"] < lost["at"]
    ]
    before = max(reported, default=killed_at)
    again = min(
        e["at"]
        for e in events
        if e["event"] in ("reported", "finished") and e["number"] == number and e["at"] > lost["at"]
    )
    begun = {}
    for event in filter(of("reported"), events):
        begun.setdefault(event["number"], event["at"])
    ended = [e for e in events if of("finished")(e) and e["at"] < lost["at"]]
    # Trials start in their order, and the first report of one that runs already may be late.
    new = range(len(ended) + 3, 40)
    fresh = [n for n, at in begun.items() if n in new and lost["at"] + 0.5 < at < again]
    assert not fresh, "a lost trial goes on before new ones start"
    notes = " ".join(records[number].result.notes)
    assert (", its last report that of train, epoch" in notes) == bool(reported)
    print(
        f"killed; noticed after {lost['at'] - killed_at:.1f} s, planned anew after "
        f"{smaller['at'] - killed_at:.1f} s; the trial went on after {again - killed_at:.1f} s, "
        f"{killed_at - before:.1f} s of its work lost; "
        f"the new node was planned with at {larger['at'] - killed_at:.1f} s; {notes}"
    )


def preempt(cluster, node):
    """Tell the head that the node is to go, and take it away some seconds later."""
    code = (
        "import ray, sys; ray.init(sys.argv[1]);"
        "print(next(n['NodeID'] for n in ray.nodes() if n['NodeManagerAddress'] == sys.argv[2]))"
    )
    ip = f"{cluster.network}.{cluster.nodes.index(node) + 1}"
    command = [sys.executable, "-c", code, cluster.address, ip]
    found = subprocess.run(command, env=cluster.environment, capture_output=True, text=True)
    drain = ["drain-node", "--address", cluster.address, "--node-id", found.stdout.split()[-1]]
    drain += ["--reason", "DRAIN_NODE_REASON_PREEMPTION", "--reason-message", "spot"]
    drain += ["--deadline-remaining-seconds", "3"]
    subprocess.run([BIN / "ray", *drain], env=cluster.environment, check=True, capture_output=True)
    time.sleep(3)
    kill(node)


def kill_raylet(cluster, node):
    send(processes(node.pid, "raylet/raylet"), signal.SIGKILL)


FAULTS = {
    "process killed": lambda cluster, node: send(processes(node.pid, TRIAL), signal.SIGKILL),
    "raylet killed": kill_raylet,
    "node killed": lambda cluster, node: kill(node),
    "node frozen": lambda cluster, node: send(processes(node.pid), signal.SIGSTOP),
    "node preempted": preempt,
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_costs_one_epoch_at_most(searching, fault):
    cluster, search = searching(EPOCHS, trials=6, early_stopping=False)
    search.wait(of("reported", epoch=2))
    node = search.busy(cluster)
    at = time.time()
    FAULTS[fault](cluster, node)
    tell(fault, search, at)
    records = search.end()
    results = [record.result for record in records]
    assert [result.status for result in results] == ["complete"] * 6, results
    lost = [event["fault"] for event in search.events if of("lost")(event)]
    assert sorted(lost) == sorted(note for record in records for note in record.result.notes)
    epoch = len(load(Sklearn("digits")).train.targets)
    num_trainings = len({record.params["model.widths.0"] for record in records})
    twice = search.rows_trained().total() - num_trainings * EPOCHS * epoch
    assert 0 <= twice <= len(lost) * epoch


def tell(fault, search, at):
    """Wait until the trial that a fault hit at that time is at work again; print what it cost."""
    lost = search.wait(lambda event: of("lost")(event) and event["at"] > at)
    reports = [e for e in search.events if of("reported", number=lost["number"])(e)]
    before = [e for e in reports if e["at"] < lost["at"]]
    said = [(e["step"], e["epoch"]) for e in before]
    since = before[-1]["at"] if before else at

    # What was checkpointed is said again at once: work is the first epoch that is new, or the end.
    def is_new(event):
        if of("reported", number=lost["number"])(event):
            return (event["step"], event["epoch"]) not in said
        return of("finished", number=lost["number"])(event)

    again = search.wait(is_new)["at"]
    print(
        f"{fault}: noticed after {lost['at'] - at:.1f} s, at work again after {again - at:.1f} s, "
        f"{max(0.0, at - since):.2f} s of work done twice; {lost['fault']}",
        flush=True,
    )


@pytest.fixture
def networks():
    """A network of this machine and another host."""
    if why := why_none():
        pytest.skip(why)
    with Networks("10.77.0", (2,), here=1) as networks:
        yield networks


def test_a_trial_cut_off_by_the_network_goes_on_elsewhere(networks, tmp_path):
    with Cluster(tmp_path / "raylets", network=networks.network) as cluster:
        cluster.add()
        cluster.add(prefix=networks.enter(2))
        search = Search(cluster, tmp_path, EPOCHS, trials=3, early_stopping=False)
        try:
            for number in range(2):
                search.wait(of("reported", number=number, epoch=3))
            at = time.time()
            networks.cut(2)
            tell("network cut", search, at)
            assert {record.result.status for record in search.end()} == {"complete"}
        finally:
            search.close()


def test_a_store_that_is_away_is_waited_for(searching):
    _, search = searching(EPOCHS, trials=3, early_stopping=False)
    for number in range(3):
        search.wait(of("reported", number=number, epoch=3))
    store = search.home / "store"
    at = time.time()
    store.rename(search.home / "away")
    time.sleep(30)
    back = time.time()
    (search.home / "away").rename(store)
    again = search.wait(lambda e: e["event"] == "reported" and e["at"] > back)["at"]
    records = search.end()
    assert {record.result.status for record in records} == {"complete"}
    assert not of("lost")(search.events[-1])
    print(f"store away for {back - at:.0f} s: at work again {again - back:.1f} s after it was back")


HUNGRY = (
    SPACE
    + """
@dataclass(frozen=True)
class Hungry(Step):
    gigabytes: float = 0.0
    compresses = False
    def apply(self, model, context):
        blob = b"x" * int(self.gigabytes * 1e9)
        time.sleep(60 if blob else 0)
        return model

space = Space(TrialConfig(Sklearn("digits"), MLP((16,)), (train, Hungry(OneOf(0.0, {hungry})))),
    ("accuracy", "size_bytes"))
"""
)


def test_a_trial_that_takes_too_much_memory_fails_alone(tmp_path):
    used, total = get_used_memory(), get_system_memory()
    # A search's own processes take more than two gigabytes.
    threshold = (used + 4.5e9) / total
    if threshold > 0.9:
        pytest.skip("this machine has too little free memory")
    limits = {"RAY_memory_usage_threshold": f"{threshold:.3f}"}
    with Cluster(tmp_path / "raylets", **limits) as cluster:
        cluster.add()
        text = HUNGRY.replace("{hungry}", "8.0").replace("import Int", "import Int, OneOf")
        search = Search(cluster, tmp_path, 2, text=text, trials=2, sampler="random")
        try:
            records = search.end()
        finally:
            search.close()
    reasons = {r.params["recipe.hungry.gigabytes"]: r.result for r in records}
    assert reasons["0.0"].status == "complete"
    assert reasons["8.0"].status == "failed"
    assert "the last time its node ran out of memory" in reasons["8.0"].reason
    print(reasons["8.0"].reason)


def test_a_lost_measurer_costs_no_trial(tmp_path):
    """Trials of a second or two each ask for the measurer while its node is away."""
    with Cluster(tmp_path / "raylets") as cluster:
        cluster.add(num_cpus=3)
        for _ in range(2):
            cluster.add("--resources", json.dumps({"quiet": 1}), num_cpus=0)
        search = Search(cluster, tmp_path, 2, trials=20, measure_on="quiet")
        try:
            search.wait(of("finished"))
            kill(next(node for node in cluster.nodes if processes(node.pid, "ray::Measurer")))
            killed_at = time.time()
            records = search.end()
        finally:
            search.close()
    results = [record.result for record in records]
    assert {result.status for result in results} == {"complete"}, results
    ends = [e["at"] for e in search.events if of("finished")(e) and e["at"] > killed_at]
    gap = max(late - early for early, late in itertools.pairwise([killed_at, *ends]))
    print(f"measurer killed: no trial ended for {gap:.1f} s")


def test_files_are_measured_on_the_named_machine(tmp_path):
    with Cluster(tmp_path / "raylets") as cluster:
        cluster.add()
        pi = cluster.add("--resources", json.dumps({"pi": 1}))
        search = Search(cluster, tmp_path, 4, trials=3, measure_on="pi")
        try:
            search.wait(of("finished"))
            assert len(processes(pi.pid, "ray::Measurer")) == 1
            assert not processes(cluster.nodes[0].pid, "ray::Measurer")
            records = search.end()
            assert {record.result.status for record in records} == {"complete"}
        finally:
            search.close()
        done = automl(
            *("search", "digits", "--address", cluster.address, "--measure-on", "phone"),
            cwd=tmp_path,
            env=cluster.environment,
        )
    assert done.returncode == 2 and "no node of the cluster has this resource" in done.stderr
