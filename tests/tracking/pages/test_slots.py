"""The chart of the slots over time."""

from dataclasses import replace

import pytest
from helpers.small_study import complete, make_study

from automl.study import timeline
from automl.study.timeline import Stay
from automl.tracking.pages import findings, report, slots

STAYS = [
    Stay("0000", "a:1", 100.0, 104.0, 3.5, 99.0, "complete", {"train": 2.0, "export": 1.0}),
    Stay("0001", "a:2", 100.0, 101.0, 1.0),
    Stay("0002", "a:2", 102.0, 103.0, 1.0, status="failed"),
    Stay("0000-refit", "a:2", 103.0, 104.0, 1.0, status="complete"),
]


@pytest.fixture
def found(tmp_path):
    study = make_study(tmp_path, complete(0.9, 1000))
    study.set_attribute("runs", [[90.0, 0.0]])
    for stay in STAYS:
        timeline.add(study.folder, stay)
    return findings.read(study, {})


def test_each_stay_is_a_bar_in_its_slot_and_exports_are_its_last_part(found):
    bars = {bar.name: bar for bar in slots.chart(found).data}
    drawn = {name: (list(bar.y), list(bar.base), list(bar.x)) for name, bar in bars.items()}
    assert drawn == {
        slots.COMPLETE: (["slot 1"], [10.0], [4.0]),
        slots.EXPORT: (["slot 1"], [13.0], [1.0]),
        slots.PAUSED: (["slot 2"], [10.0], [1.0]),
        slots.LOST: (["slot 2"], [12.0], [1.0]),
        slots.REFIT: (["slot 2"], [13.0], [1.0]),
    }


def test_the_share_of_time_at_work_leaves_out_where_a_slot_waited():
    assert slots.busy_share(STAYS) == 7 / 8


def test_the_report_draws_them_where_they_are_known(found):
    page = report.document(found)
    assert "at work for 88 % of the time" in page and 'id="slots"' in page
    assert 'id="slots"' not in report.document(replace(found, stays=[]))
