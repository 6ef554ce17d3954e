import pytest

from automl.tracking import journal
from automl.tracking.journal import Journal


def numbers(events):
    return [event["number"] for event in events]


@pytest.fixture
def filled(tmp_path):
    for number in range(3):
        Journal(tmp_path).append({"number": number})
    return tmp_path


def test_events_come_back_in_order_from_any_offset(filled):
    kept = Journal(filled)
    events, end = kept.read(0)
    assert numbers(events) == [0, 1, 2]
    assert kept.read(end) == ([], end)
    kept.append({"number": 3})
    assert numbers(kept.read(end)[0]) == [3]
    assert numbers(kept.read(0, end)[0]) == [0, 1, 2]


def test_a_line_that_a_kill_cut_off_is_dropped_and_what_follows_is_whole(filled):
    with (filled / journal.EVENTS).open("a") as file:
        file.write('{"number": 3, "met')
    kept = Journal(filled)
    kept.append({"number": 4})
    assert numbers(kept.all()) == [0, 1, 2, 4]


def test_half_a_line_that_is_being_written_is_left_for_later(filled):
    kept = Journal(filled)
    kept.file.write(b'{"number": 3')
    events, end = kept.read(0)
    assert numbers(events) == [0, 1, 2]
    kept.file.write(b"}\n")
    assert numbers(kept.read(end)[0]) == [3]


def test_a_spoiled_line_costs_itself_alone(filled):
    with (filled / journal.EVENTS).open("ab") as file:
        file.write(b"\0\0\0\n")
    Journal(filled).append({"number": 3})
    assert numbers(Journal(filled).all()) == [0, 1, 2, 3]


def test_long_journals_are_read_in_parts_and_a_long_line_whole(filled, monkeypatch):
    monkeypatch.setattr(journal, "BATCH_BYTES", 20)
    kept = Journal(filled)
    kept.append({"number": 3, "text": "x" * 100})
    assert len(kept.read(0)[0]) < 4
    assert numbers(kept.all()) == [0, 1, 2, 3]


def test_how_far_a_server_has_it_is_remembered_for_that_server_alone(filled):
    kept = Journal(filled)
    _, end = kept.read(0)
    assert kept.delivered("one") == 0
    kept.deliver("one", end)
    assert (Journal(filled).delivered("one"), Journal(filled).delivered("two")) == (end, 0)
    (filled / journal.EVENTS).write_text('{"number": 9}\n')
    assert kept.delivered("one") < end
