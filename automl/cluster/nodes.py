"""Nodes of the cluster: each has the data and reaches the store before the first trial."""

from __future__ import annotations

import os
from pathlib import Path

import ray
from ray.autoscaler.sdk import request_resources
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from automl.cluster.placement import Node
from automl.cluster.portable_space import PortableSpace
from automl.data import dataset
from automl.errors import UserError
from automl.models.family import untrained
from automl.space.exploring import explore
from automl.store import Store


def prepare(space: PortableSpace, cache: Path, store: Store) -> None:
    """Load a space's datasets on the other nodes, each into its cache.

    Raises UserError with the first that cannot be loaded, or a node that has not this store.
    """
    own = ray.get_runtime_context().get_node_id()
    others = [node for node in ray.nodes() if node["Alive"] and node["NodeID"] != own]
    waiting = []
    for node in others:
        affinity = NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
        task = _prepare.options(scheduling_strategy=affinity)
        waiting.append(task.remote(space, str(cache), store.url, store.identity))
    for problem in ray.get(waiting):
        if problem:
            raise UserError(problem)


def resources() -> list[Node]:
    """The resources of each live node of the connected cluster."""
    return [node["Resources"] for node in ray.nodes() if node["Alive"]]


def ask_for(bundles: list[dict[str, float]]) -> None:
    """Ask an autoscaler, where there is one, for a cluster that has room for these bundles."""
    request_resources(bundles=bundles)


@ray.remote(num_cpus=0)
def _prepare(space: PortableSpace, cache: str, store: str, identity: str) -> str:
    """A problem with this node's store, its data or its users' models; "" if there is none."""
    try:
        if not Store(store, identity).is_here():
            return (
                f"the node {os.uname().nodename} does not reach the store {store}; "
                "choose a --home on a path that all nodes share, or a --store that all reach"
            )
        for config in explore(space.load()).configs:
            data = dataset.load(config.dataset, config.seed, Path(cache))
            untrained(config.model, data.info)
    except (UserError, OSError, ImportError) as error:
        return f"{error} (on the node {os.uname().nodename})"
    return ""
