"""The room of a cluster for the trials of a search: waited for, prepared, planned anew."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from automl.bounds.device_memory import DeviceMemory, device_memory
from automl.cluster import gpu_share, nodes
from automl.cluster.nodes import Members
from automl.cluster.placement import Plan
from automl.cluster.portable_space import PortableSpace
from automl.cluster.trial_inputs import num_workers
from automl.data import dataset
from automl.engine.search_options import AUTO, Options
from automl.engine.watch import Watch
from automl.errors import UserError
from automl.space.exploring import explore
from automl.space.space import Space, TrialConfig
from automl.store import Store

WAIT_SECONDS = 300.0
"""A cloud's new node takes some minutes."""


class Room:
    """The nodes of a cluster, and what each trial of a search takes of them.

    With `--gpus-per-trial auto` the share of a GPU is known once the room is waited for.
    """

    def __init__(
        self, options: Options, space: Space, portable: PortableSpace, cache: Path, store: Store
    ) -> None:
        configs = explore(space).configs
        self.options, self.configs, self.cache = options, configs, cache
        self.sizes: Sequence[int] = sorted({num_workers(config) for config in configs})
        self.request = options.request()
        self.members = Members(portable, cache, store)

    def wait(self, watch: Watch) -> None:
        """Wait until there is room for a trial: a cluster at an address may grow when asked to.

        Raises UserError when it does not.
        """
        if shortage := self._shortage():
            if not self.options.address:
                raise UserError(shortage)
            minutes = WAIT_SECONDS / 60
            watch.waiting(f"waiting {minutes:g} minutes for the cluster to grow: {shortage}")
            with nodes.asked_for([self.request.bundle()] * max(1, *self.sizes)):
                self._wait_to_grow()
        self._settle_share(watch)

    def _shortage(self) -> str:
        """Why not one trial fits the cluster as it is; "" where one does."""
        plan = Plan(self.request, self.sizes, nodes.resources())
        return "" if plan.capacity else plan.shortage()

    def _wait_to_grow(self) -> None:
        until = time.monotonic() + WAIT_SECONDS
        while why := self._shortage():
            if time.monotonic() >= until:
                raise UserError(why)
            time.sleep(1)

    def prepare(self) -> None:
        """Have every node load the data. Raises UserError with a node that cannot, or that does
        not reach the store."""
        self.members.prepare()

    def look(self) -> list[str]:
        """Examine the nodes that have joined; a sentence for each that is left out."""
        return self.members.look()

    def plan(self) -> Plan:
        """The plan for the nodes that take trials by now."""
        return Plan(self.request, self.sizes, self.members.resources())

    def _settle_share(self, watch: Watch) -> None:
        """Settle the share of a GPU that a trial takes where the search is to find it."""
        if self.options.gpus_per_trial != AUTO:
            return
        cards = nodes.card_bytes(self.request.gpu_type)
        share, why = gpu_share.settle(self._most_bytes(), max(self.sizes), cards)
        self.request = replace(self.request, gpus=share)
        watch.planned(f"--gpus-per-trial auto: {share:g} GPUs, as {why}")

    def _most_bytes(self) -> int | None:
        """The device memory of the space's largest trial; None where some trial's is not known."""
        found = [self._memory(config) for config in self.configs]
        known = [one.total_bytes for one in found if one is not None]
        return max(known) if len(known) == len(found) else None

    def _memory(self, config: TrialConfig) -> DeviceMemory | None:
        data = dataset.load(config.dataset, config.seed, self.cache)
        return device_memory(config, data.info, len(data.train.targets))
