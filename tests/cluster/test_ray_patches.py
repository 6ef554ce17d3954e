"""Private names of Ray are as `ray_patches` takes them, and the faults are still there."""

import inspect
import os
from contextlib import nullcontext
from pathlib import Path

import pytest
import ray
from ray.air.execution import FixedResourceManager, ResourceRequest
from ray.air.execution._internal.actor_manager import RayActorManager
from ray.air.execution._internal.tracked_actor_task import TrackedActorTask
from ray.exceptions import OutOfMemoryError, RayActorError
from ray.tune import (
    CheckpointConfig,
    FailureConfig,
    RunConfig,
    Trainable,
    TuneConfig,
    Tuner,
    grid_search,
    with_resources,
)
from ray.tune.execution.tune_controller import TuneController

from automl.cluster import ray_patches

ONE_CPU = ResourceRequest([{"CPU": 1}])


@ray.remote(num_cpus=0)
class Idle:
    pass


def resources():
    return FixedResourceManager({"CPU": 1})


def test_out_of_memory_is_a_lost_actor(ray_session):
    manager, errors = RayActorManager(resources()), []
    actor = manager.add_actor(Idle, {}, ONE_CPU, on_error=lambda _, error: errors.append(error))
    while not manager.num_live_actors:
        manager.next()
    failed = {
        "tracked_actor_task": TrackedActorTask(actor),
        "exception": OutOfMemoryError("too much"),
    }
    original = RayActorManager._actor_task_failed
    parameters = list(inspect.signature(original).parameters)
    assert parameters == ["self", "tracked_actor_task", "exception"]
    with pytest.raises(RuntimeError, match="unexpected exception"):
        manager._actor_task_failed(**failed)
    with ray_patches.out_of_memory_is_a_lost_actor():
        manager._actor_task_failed(**failed)
    (error,) = errors
    assert isinstance(error, RayActorError) and "too much" in str(error)
    assert RayActorManager._actor_task_failed is original


def test_actors_stay_for_equal_trials(ray_session):
    def left(controller, *, expected):
        cache = controller._actor_cache
        for key, count in expected.items():
            cache.increase_max(key, count)
        kept = [actor for actor in ("first", "second") if cache.cache_object("cpu", actor)]
        flushed = [*cache.flush_cached_objects()]
        assert cache.num_cached_objects == len(kept) - len(flushed)
        return [actor for actor in kept if actor not in flushed], cache

    def controller():
        return TuneController(resource_manager_factory=resources)

    assert left(controller(), expected={})[0] == ["first"], "Tune keeps one alone"
    with ray_patches.actors_stay_for_equal_trials():
        for expected in ({}, {"cpu": 1}):
            actors, cache = left(controller(), expected=expected)
            assert actors == ["first", "second"]
            assert cache.pop_cached_object("cpu") == "first"
            assert [*cache.flush_cached_objects(force_all=True)] == ["second"]
        assert left(controller(), expected={"gpu": 1})[0] == []
    assert left(controller(), expected={"cpu": 1})[0] == ["first"]


def lost_in_reset():
    """A trainable whose process ends when it is given a second trial, once; actors get it whole."""

    class LostInReset(Trainable):
        def reset_config(self, new_config):
            marker = Path(new_config["marker"])
            if not marker.exists():
                marker.touch()
                os._exit(1)
            return True

        def step(self):
            return {"done": True}

    return LostInReset


@pytest.mark.parametrize("mended", [False, True])
def test_a_loss_while_resetting_counts_once(ray_session, tmp_path, mended):
    tuner = Tuner(
        with_resources(lost_in_reset(), {"cpu": 1}),
        param_space={"marker": str(tmp_path / "marker"), "number": grid_search([0, 1])},
        tune_config=TuneConfig(reuse_actors=True, max_concurrent_trials=1),
        run_config=RunConfig(
            storage_path=str(tmp_path),
            failure_config=FailureConfig(max_failures=1),
            checkpoint_config=CheckpointConfig(checkpoint_at_end=False),
            verbose=0,
        ),
    )
    with ray_patches.a_loss_while_resetting_counts_once() if mended else nullcontext():
        results = tuner.fit()
    assert (tmp_path / "marker").exists(), "no actor was kept for the second trial"
    assert results.num_errors == (0 if mended else 1)


def test_move_ahead(ray_session):
    controller = TuneController(resource_manager_factory=resources)
    manager, trials = controller._actor_manager, ["first", "second", "third"]
    actors = [manager.add_actor(object, {}, ONE_CPU) for _ in trials]
    controller._actor_to_trial.update(zip(actors, trials, strict=True))
    (waiting,) = manager._resource_request_to_pending_actors.values()
    assert waiting == actors, "they are served as they came"
    ray_patches.move_ahead(controller, ["third"])
    assert waiting == [actors[2], actors[0], actors[1]]


def test_tune_hands_over_the_limits_of_buffered_training_in_the_wrong_order():
    """`TrialActor.train_buffered` takes no heed of them."""
    names = list(inspect.signature(Trainable.train_buffered).parameters)
    assert names[:3] == ["self", "buffer_time_s", "max_buffer_length"]
    call = inspect.getsource(TuneController._schedule_trial_train)
    assert 'method_name = "train_buffered"' in call
    assert "args = (buffer_length, buffer_time_s)" in call
