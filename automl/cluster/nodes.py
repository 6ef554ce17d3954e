"""Nodes of the cluster: each has the data and reaches the store before it takes a trial."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TypeVar

import ray
import torch
from ray import ObjectRef
from ray.autoscaler.sdk import request_resources
from ray.exceptions import RayError, RayTaskError
from ray.remote_function import RemoteFunction
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from automl.cluster.left_out import without_store
from automl.cluster.placement import GPU_TYPE, Node
from automl.cluster.portable_space import PortableSpace
from automl.data import dataset
from automl.errors import UserError, described
from automl.models.family import untrained
from automl.space.exploring import explore
from automl.store import Store

T = TypeVar("T")


class Members:
    """The nodes that take a search's trials.

    Those that are there at first are prepared or refused; one that joins later is examined while
    others work, and left out as long as it has not the store or the data. `left_out` are their
    ids, and why.
    """

    def __init__(self, space: PortableSpace, cache: Path, store: Store) -> None:
        self.inputs = space, str(cache), store.url, store.identity
        self.prepared: set[str] = set()
        self.examined: dict[str, ObjectRef] = {}
        self.left_out: dict[str, str] = {}

    def prepare(self) -> None:
        """Load the space's datasets on all nodes but this one, each into its cache.

        A node that goes meanwhile is left out. Raises UserError with the first dataset that cannot
        be loaded, or a node that has not this store.
        """
        own = ray.get_runtime_context().get_node_id()
        nodes = alive()
        for problem in _told({node: self._examine(node) for node in nodes if node != own}, str):
            if problem:
                raise UserError(problem)
        self.prepared.update(nodes)

    def resources(self) -> list[Node]:
        """The resources of each live node that takes trials."""
        return [node for name, node in alive().items() if name in self.prepared]

    def look(self) -> list[str]:
        """Examine the nodes that have joined, and those that were left out; a sentence for each
        that is left out from now on."""
        nodes = alive()
        self.prepared &= nodes.keys()
        self.left_out = {node: why for node, why in self.left_out.items() if node in nodes}
        self.examined = {node: task for node, task in self.examined.items() if node in nodes}
        told = [why for node in list(self.examined) if (why := self._take(node))]
        for node in nodes.keys() - self.prepared - self.examined.keys():
            self.examined[node] = self._examine(node)
        return told

    def leave_out(self, node: str) -> None:
        """Keep trials from a node until it was examined."""
        self.prepared.discard(node)
        self.left_out.setdefault(node, "")

    def left_out_now(self) -> list[str]:
        """The ids of the nodes that take no trials, in order."""
        return sorted(self.left_out)

    def _take(self, node: str) -> str:
        """Take what the examination of a node found, once it has ended; "" unless it is left out
        for the first time."""
        if not ray.wait([self.examined[node]], timeout=0)[0]:
            return ""
        try:
            problem = _result(node, self.examined.pop(node), str)
        except UserError as error:
            problem = str(error)
        if not problem:
            self.left_out.pop(node, None)
            self.prepared.add(node)
            return ""
        is_told = bool(self.left_out.get(node))
        self.left_out[node] = problem
        return "" if is_told else f"{problem}; until then it is left out"

    def _examine(self, node: str) -> ObjectRef:
        return _on(node, _prepare).remote(*self.inputs)


def alive() -> dict[str, Node]:
    """The resources of each live node of the connected cluster, by its id."""
    return {node["NodeID"]: node["Resources"] for node in ray.nodes() if node["Alive"]}


def resources() -> list[Node]:
    """The resources of each live node of the connected cluster."""
    return list(alive().values())


def _on(node: str, task: RemoteFunction) -> RemoteFunction:
    """A task as it runs on one node alone."""
    return task.options(scheduling_strategy=NodeAffinitySchedulingStrategy(node, soft=False))


@contextlib.contextmanager
def asked_for(bundles: list[dict[str, float]]) -> Iterator[None]:
    """Ask an autoscaler, where there is one, for a cluster that has room for these bundles.

    Ray remembers it beyond this process, so it is taken back at the end, however this comes.
    """
    request_resources(bundles=bundles)
    try:
        yield
    finally:
        request_resources(bundles=[])


def card_bytes(gpu_type: str = "") -> list[int]:
    """The memory of each GPU of the cluster (of a type) whose node tells it."""
    kind = {GPU_TYPE + gpu_type} if gpu_type else set()
    holders = [name for name, node in alive().items() if {"GPU", *kind} <= node.keys()]
    told = _told({name: _on(name, _card_bytes).remote() for name in holders}, list)
    return [card for cards in told for card in cards]


def _told(tasks: Mapping[str, ObjectRef], kind: type[T]) -> list[T]:
    """The results of tasks by node, without those of nodes that have gone meanwhile.

    Raises UserError with a node that is there and gave none.
    """
    results = list[T]()
    for node, task in tasks.items():
        try:
            results.append(_result(node, task, kind))
        except UserError:
            if node in alive():
                raise
    return results


def _result(node: str, task: ObjectRef, kind: type[T]) -> T:
    """The result of a node's task. Raises UserError where it gave none."""
    try:
        result = ray.get(task)
    except RayError as error:
        failed = isinstance(error, RayTaskError)
        why = described(error.cause) if failed else str(error).splitlines()[0]
        raise UserError(f"the node {node} could not be examined: {why}") from None
    assert isinstance(result, kind)
    return result


# Without the setting, Ray hides a node's GPUs from a task that reserves none.
@ray.remote(num_cpus=0, runtime_env={"env_vars": {"RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}})
def _card_bytes() -> list[int]:
    """The memory of each of this node's GPUs, as torch tells it."""
    numbers = range(torch.cuda.device_count())
    return [torch.cuda.get_device_properties(number).total_memory for number in numbers]


@ray.remote(num_cpus=0)
def _prepare(space: PortableSpace, cache: str, store: str, identity: str) -> str:
    """A problem with this node's store, its data or its users' models; "" if there is none."""
    try:
        if not Store(store, identity).is_here():
            return without_store(store)
        for config in explore(space.load()).configs:
            data = dataset.load(config.dataset, config.seed, Path(cache))
            untrained(config.model, data.info)
    except (UserError, OSError, ImportError) as error:
        return f"{error} (on the node {os.uname().nodename})"
    return ""
