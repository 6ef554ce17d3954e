"""Private names of Ray that a search needs, each with its reason and the public way it waits for.

All were seen in Ray 2.60. A test of the same name fails when another version differs.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator

import ray
from ray.actor import ActorClass
from ray.air.execution._internal.actor_manager import RayActorManager
from ray.air.execution._internal.tracked_actor_task import TrackedActorTask
from ray.exceptions import OutOfMemoryError, RayActorError
from ray.tune.execution.class_cache import _ActorClassCache
from ray.tune.execution.tune_controller import TuneController
from ray.tune.experiment import Trial


@contextlib.contextmanager
def out_of_memory_is_a_lost_actor() -> Iterator[None]:
    """Have Tune start a trial again whose actor was ended by the memory monitor.

    `RayActorManager._actor_task_failed` expects a RayActorError or a RayTaskError; with an
    OutOfMemoryError, which is neither, the whole run of Tune ends. Waits for a Tune that counts
    it among the lost actors.
    """
    original = RayActorManager._actor_task_failed

    def failed(
        manager: RayActorManager, tracked_actor_task: TrackedActorTask, exception: Exception
    ) -> None:
        if isinstance(exception, OutOfMemoryError):
            exception = RayActorError(error_msg=str(exception))
        original(manager, tracked_actor_task=tracked_actor_task, exception=exception)

    RayActorManager._actor_task_failed = failed
    try:
        yield
    finally:
        RayActorManager._actor_task_failed = original


@contextlib.contextmanager
def actors_in_waiting_workers() -> Iterator[None]:
    """Have Tune start its actors in workers that wait already, with all that a trial needs.

    `_ActorClassCache.get` gives each actor a runtime environment, be it without any need, and Ray
    starts a new process for that. What it holds, workers of a Ray that was started by this
    process have from there. Waits for a Tune that sets no environment where there is nothing to.
    """
    original = _ActorClassCache.get

    def get(cache: _ActorClassCache, trainable: type) -> ActorClass:
        return cache._cache.setdefault(trainable, ray.remote(trainable))

    _ActorClassCache.get = get
    try:
        yield
    finally:
        _ActorClassCache.get = original


def move_ahead(controller: TuneController, trials: Collection[Trial]) -> None:
    """Put the actors of these trials first among those that wait for a slot.

    `RayActorManager` serves equal requests for resources in the order in which they came, and a
    scheduler's `choose_trial_to_run` decides only who asks next. Waits for a scheduler that may
    order the pending trials.
    """
    trial_of = controller._actor_to_trial
    for waiting in controller._actor_manager._resource_request_to_pending_actors.values():
        waiting.sort(key=lambda actor: trial_of.get(actor) not in trials)
