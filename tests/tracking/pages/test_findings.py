from dataclasses import replace

import pytest
from helpers import known_search as known

from automl.pareto import Axis
from automl.study.study import Study, create
from automl.tracking.pages import findings
from automl.tracking.pages.findings import BREAKS, DOMINATED, FRONT


def test_every_trial_that_ended_is_in_one_group(found):
    groups = {point.record.trial_id: point.group for point in found.points}
    assert groups == {
        "0000": FRONT,
        "0001": FRONT,
        "0002": DOMINATED,
        "0003": DOMINATED,
        "0004": FRONT,
        "0005": BREAKS,
        "0006": "stopped",
        "0007": "stopped",
        "0008": "rejected",
        "0009": "failed",
        "0010": "failed",
        "0003-refit": FRONT,
    }
    assert [record.trial_id for record in found.front] == ["0000", "0001", "0004", "0003-refit"]


def test_a_stopped_trial_is_where_it_was_last_compared(found):
    points = {point.record.trial_id: point for point in found.points}
    assert points["0006"].last_compared == "epoch 2 of train"
    assert points["0006"].figures == pytest.approx({"accuracy": 0.55, "size_bytes": 50_000})
    assert (points["0007"].figures, points["0007"].last_compared) == ({}, "")


def test_the_course_is_in_seconds_of_searching(found):
    seconds = [second for second, _ in found.course]
    assert seconds[0] == pytest.approx(60.0)
    assert seconds == sorted(seconds)
    last = max(record.ended for record in found.records)
    assert seconds[-1] == pytest.approx(60.0 + last - found.records[0].ended)
    volumes = [volume for _, volume in found.course]
    assert len(volumes) == len(found.points)
    assert volumes == sorted(volumes)
    assert volumes[-1] == found.summary.hypervolume


def test_time_between_two_runs_does_not_count(found):
    first = found.points[0].record
    resumed = replace(found, runs=[(first.ended - 500.0, 0.0), (first.ended - 3.0, 40.0)])
    assert resumed.second(first) == pytest.approx(43.0)
    assert resumed.second(replace(first, ended=first.ended - 100)) == pytest.approx(400.0)


def test_constraints_and_goal_are_told_with_their_numbers(tmp_path):
    relative = ("size_bytes<=50% of reference",)
    settings = replace(known.SETTINGS, constraints=relative, reference={"size_bytes": 50_000.0})
    study = known.make(tmp_path, settings)
    assert findings.read(study, {}).goal == ""
    study.set_attribute("options", {"until": "accuracy>=0.94"})
    found = findings.read(study, {})
    assert found.constraints == ["size_bytes <= 50% of reference (<= 25000)"]
    assert found.goal == "trial 0001 meets accuracy >= 0.94 (accuracy 0.95)"


def test_the_choice_is_the_knee_until_one_is_exported(found, tmp_path):
    assert found.advice.record in found.front
    assert found.advice.command == "automl export known --knee --out out"
    study = Study(tmp_path / "known")
    study.set_attribute("exported", "0004")
    advice = findings.read(study, {}).advice
    assert (advice.record.trial_id, advice.why) == ("0004", "exported last")
    assert advice.command == "automl export known --trial 0004 --out out"


def test_nothing_is_found_in_an_empty_study(tmp_path):
    found = findings.read(create(tmp_path / "empty", known.SETTINGS, "text", {"": b""}), {})
    assert (found.points, found.front, found.advice, found.course) == ([], [], None, [])
    assert found.names == ["accuracy", "size_bytes", "latency_ms"]


@pytest.mark.parametrize("axis", [Axis(0.1, 1.0), Axis(1e6, 1e3, True), Axis(2.0, 0.0)])
def test_an_axis_gives_its_values_back(axis):
    for place in (0.0, 0.3, 1.0):
        assert axis.at(axis.value(place)) == pytest.approx(place)
