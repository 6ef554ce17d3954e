"""The timeline of a search, as it is written and read."""

from automl.study import timeline
from automl.study.timeline import Stay


def stay(trial, slot, begun, ended):
    return Stay(trial, slot, begun, ended, seconds=ended - begun, stages={"export": 0.5})


def test_stays_are_read_as_they_were_written_without_the_half_of_one(tmp_path):
    stays = [stay("0000", "a:1", 10.0, 12.0), stay("0000-refit", "a:2", 11.0, 13.0)]
    assert timeline.read(tmp_path) == []
    for one in stays:
        timeline.add(tmp_path, one)
    with (tmp_path / timeline.FILE).open("a") as file:
        file.write('{"trial": "00')
    assert timeline.read(tmp_path) == stays
    assert [one.is_refit for one in stays] == [False, True]


def test_a_stay_behind_the_half_of_one_costs_no_other(tmp_path):
    stays = [stay(f"000{i}", "a:1", 10.0, 12.0) for i in range(3)]
    timeline.add(tmp_path, stays[0])
    with (tmp_path / timeline.FILE).open("ab") as file:
        file.write(b'{"trial": "00\xc3')
    timeline.add(tmp_path, stays[1])
    timeline.add(tmp_path, stays[2])
    assert timeline.read(tmp_path) == stays


def test_a_process_that_takes_the_place_of_another_has_its_number():
    stays = [stay("0", "a:1", 0, 2), stay("1", "a:2", 1, 9), stay("2", "a:3", 4, 6)]
    assert [one.slot for one in timeline.in_lanes(stays)] == ["1", "2", "1"]
