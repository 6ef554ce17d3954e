import json
from contextlib import ExitStack, closing

import pytest

from automl.tracking import journal
from automl.tracking.events import Started, as_json
from automl.tracking.journal import Writer


def event(number, text=""):
    return Started(0, f"{number:04d}", {"text": text})


def numbers(events):
    return [int(event.trial) for event in events]


@pytest.fixture
def opened(tmp_path):
    """Opens the journal of the test's folder."""
    with ExitStack() as stack:
        yield lambda: stack.enter_context(closing(Writer(tmp_path)))


@pytest.fixture
def filled(opened, tmp_path):
    for number in range(3):
        opened().append(event(number))
    return tmp_path


def test_events_come_back_in_order_from_any_offset(opened, filled):
    kept = opened()
    events, end = kept.read(0)
    assert numbers(events) == [0, 1, 2]
    assert kept.read(end) == ([], end)
    kept.append(event(3))
    assert numbers(kept.read(end)[0]) == [3]
    assert numbers(kept.read(0, end)[0]) == [0, 1, 2]


def test_a_journal_drops_a_line_that_was_cut_off(opened, filled):
    kept = opened()
    for number in (4, 5):
        with (filled / journal.EVENTS).open("a") as file:
            file.write('{"event":"started","ti')
        kept.append(event(number))
    assert numbers(kept.all()) == [0, 1, 2, 4, 5]


def test_half_a_line_that_is_being_written_is_left_for_later(opened, filled):
    kept = opened()
    line = json.dumps(as_json(event(3))).encode()
    kept.file.write(line[:20])
    events, end = kept.read(0)
    assert numbers(events) == [0, 1, 2]
    kept.file.write(line[20:] + b"\n")
    assert numbers(kept.read(end)[0]) == [3]


def test_a_spoiled_line_costs_itself_alone(opened, filled):
    with (filled / journal.EVENTS).open("ab") as file:
        file.write(b"\0\0\0\n[]\n{}\n")
    opened().append(event(3))
    assert numbers(opened().all()) == [0, 1, 2, 3]


def test_long_journals_are_read_in_parts_and_a_long_line_whole(opened, filled, monkeypatch):
    monkeypatch.setattr(journal, "BATCH_BYTES", 80)
    kept = opened()
    kept.append(event(3, "x" * 100))
    assert len(kept.read(0)[0]) < 4
    assert numbers(kept.all()) == [0, 1, 2, 3]


def test_progress_is_remembered_for_each_server(opened, filled):
    kept = opened()
    _, end = kept.read(0)
    assert kept.delivered("one") == 0
    kept.deliver("one", end)
    assert (opened().delivered("one"), opened().delivered("two")) == (end, 0)
    (filled / journal.EVENTS).write_text("{}\n")
    assert kept.delivered("one") < end
