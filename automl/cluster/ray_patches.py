"""Private names of Ray that a search needs, each with its reason and the public way it waits for.

All were seen in Ray 2.60. A test of the same name fails when another version differs.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator
from typing import TypeVar

import ray
from ray.actor import ActorClass
from ray.air.execution._internal.actor_manager import RayActorManager
from ray.air.execution._internal.tracked_actor import TrackedActor
from ray.air.execution._internal.tracked_actor_task import TrackedActorTask
from ray.exceptions import OutOfMemoryError, RayActorError
from ray.tune.execution import tune_controller
from ray.tune.execution.class_cache import _ActorClassCache
from ray.tune.execution.tune_controller import TuneController
from ray.tune.experiment import Trial
from ray.tune.utils.object_cache import _ObjectCache

T = TypeVar("T")
U = TypeVar("U")


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


class _KeptActors(_ObjectCache):
    """A cache that keeps all actors while none is expected that needs other resources."""

    def cache_object(self, key: T, obj: U) -> bool:
        if self._expects_others(key):
            return bool(super().cache_object(key, obj))
        self._cached_objects[key].append(obj)
        self._num_cached_objects += 1
        return True

    def flush_cached_objects(self, force_all: bool = False) -> Iterator[U]:
        kept: dict[object, list[object]] = {}
        for key, actors in self._cached_objects.items():
            if not force_all and not self._expects_others(key):
                kept[key], self._cached_objects[key] = actors, []
        yield from super().flush_cached_objects(force_all)
        self._cached_objects.update(kept)

    def _expects_others(self, key: object) -> bool:
        return any(count > 0 for other, count in self._max_num_objects.items() if other != key)


@contextlib.contextmanager
def actors_stay_for_equal_trials() -> Iterator[None]:
    """Have Tune keep the actors of trials that leave at once for those that come.

    `_ObjectCache` keeps as many as trials wait, which is one here; the others end, and the next
    trials wait for new processes to load all that they need. Where trials take less time than that,
    the one actor left takes each of them, and no other ever begins. Waits for a Tune that keeps as
    many actors as it may run.
    """
    tune_controller._ObjectCache = _KeptActors
    try:
        yield
    finally:
        tune_controller._ObjectCache = _ObjectCache


@contextlib.contextmanager
def a_loss_while_resetting_counts_once() -> Iterator[None]:
    """Have Tune start a trial again whose kept actor was lost as the trial was given to it.

    `TuneController._actor_failed` starts such a trial again; then the failed `reset` is told as a
    second loss of a trial that waits, which ends it, and it stays among those being reset, to which
    no actor is given. Waits for a Tune that counts one loss of an actor once.
    """
    original = TuneController._actor_failed

    def failed(
        controller: TuneController, tracked_actor: TrackedActor, exception: Exception
    ) -> None:
        trial = controller._actor_to_trial[tracked_actor]
        if trial in controller._resetting_trials:
            controller._resetting_trials.remove(trial)
            controller._unstage_trial_with_resources(trial)
            controller._set_trial_status(trial, Trial.RUNNING)
        original(controller, tracked_actor, exception)

    TuneController._actor_failed = failed
    try:
        yield
    finally:
        TuneController._actor_failed = original


def move_ahead(controller: TuneController, trials: Collection[Trial]) -> None:
    """Put the actors of these trials first among those that wait for a slot.

    `RayActorManager` serves equal requests for resources in the order in which they came, and a
    scheduler's `choose_trial_to_run` decides only who asks next. Waits for a scheduler that may
    order the pending trials.
    """
    trial_of = controller._actor_to_trial
    for waiting in controller._actor_manager._resource_request_to_pending_actors.values():
        waiting.sort(key=lambda actor: trial_of.get(actor) not in trials)
