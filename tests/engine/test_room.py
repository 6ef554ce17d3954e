"""The room of a cluster that was asked to grow."""

import contextlib
import json

import pytest
from ray.experimental.internal_kv import _internal_kv_get

from automl.cluster import nodes
from automl.cluster.portable_space import PortableSpace
from automl.engine import room
from automl.engine.search_options import Options
from automl.engine.watch import Watch
from automl.errors import UserError
from automl.space import space_file
from automl.store import Store

SPACE = """
from automl import MLP, Sklearn, Space, Train, TrialConfig
space = Space(TrialConfig(Sklearn("digits"), MLP((8,)), (Train(),)), ("accuracy",))
"""


def asked_of_the_autoscaler():
    """What Ray remembers to have been asked for."""
    return json.loads(_internal_kv_get("autoscaler_resource_request") or "[]")


def test_a_cluster_is_asked_to_grow_only_while_it_is_waited_for(ray_session):
    with contextlib.suppress(KeyboardInterrupt), nodes.asked_for([{"CPU": 999.0}]):
        assert asked_of_the_autoscaler() == [{"CPU": 999.0}]
        raise KeyboardInterrupt
    assert asked_of_the_autoscaler() == []


def test_a_cluster_that_does_not_grow_is_asked_no_more(ray_session, tmp_path, monkeypatch):
    monkeypatch.setattr(room, "WAIT_SECONDS", 0.5)
    space = space_file.load(SPACE)
    portable = PortableSpace(SPACE, {}, str(tmp_path))
    options, store = Options(address="auto", cpus_per_trial=999.0), Store(str(tmp_path / "store"))
    waited = room.Room(options, space, portable, tmp_path, store)
    with pytest.raises(UserError, match="999"):
        waited.wait(Watch())
    assert asked_of_the_autoscaler() == []
