"""A search at a glance tells what the whole study does, whenever it is looked at."""

import json
from dataclasses import replace

import pytest
from helpers import earlier_search, known_search
from helpers.known_search import SETTINGS
from helpers.small_study import complete, end, make_study
from optuna.distributions import CategoricalDistribution, FloatDistribution

from automl.study import glance, layout, selection, storage
from automl.study.glance import Glance
from automl.study.layout import EarlierVersion
from automl.study.record import Drawing, TrialRecord
from automl.study.study import Study
from automl.study.trial_id import TrialId
from automl.trial.result import Status, TrialResult, failed

DOMAINS = {"rate": FloatDistribution(1e-4, 1.0, log=True), "kind": CategoricalDistribution("ab")}


@pytest.fixture(autouse=True)
def _all_is_kept(monkeypatch):
    monkeypatch.setattr(glance, "KEEP_FROM_BYTES", 0)


def told(found):
    """All that a list, a status or a front shows of a search."""
    measured = [(r.trial_id, r.params, r.values, r.uncertainty) for r in found.measured()]
    advice = selection.advise(found, found.front().members)
    return (
        found.summary(),
        found.hypervolumes(),
        measured,
        [(r.trial_id, r.is_complete) for r in found.records()],
        found.why_empty(),
        advice and (advice.record.id, advice.why),
        found.attribute("state"),
    )


def same(folder):
    """What a glance and the study tell alike."""
    at_a_glance, whole = told(glance.of(folder)), told(Study(folder))
    assert at_a_glance == whole
    return whole


def test_a_glance_tells_what_the_study_does(tmp_path):
    study = known_search.make(tmp_path, error=0.002)
    study.set_attribute("options", {"until": "accuracy>=0.94"})
    summary, *_ = same(study.folder)
    assert summary.met_by == "0001"
    study.set_attribute("exported", "0000")
    *_, advice, _ = same(study.folder)
    assert advice == (TrialId(0), "exported last")


def test_a_look_goes_on_where_the_last_one_ended(tmp_path):
    study = make_study(tmp_path, complete(0.9, 1000), failed(ValueError("x")), None)
    same(study.folder)
    journal = study.folder / layout.JOURNAL
    read = journal.read_bytes()
    screened = Drawing(screened=({"rate": 0.1}, {"rate": 0.2}))
    started = TrialRecord(TrialId(3), {"rate": 0.5, "kind": "b"}, DOMAINS, drawing=screened)
    study.start(started)
    end(study, study.records()[2], complete(0.8, 500))
    end(study, started, TrialResult(Status.STOPPED, "behind", seconds=3.0, waited_seconds=1.0))
    study.set_attribute("state", "finished")
    summary, *_ = same(study.folder)
    assert summary.trials == {
        "complete": 2, "stopped": 1, "rejected": 0, "failed": 1, "screened": 2
    }  # fmt: skip
    first, rest = read.split(b"\n", 1)
    new = journal.read_bytes()[len(read) :]
    known = told(Study(study.folder))
    journal.write_bytes(first + b"\n" + b"?" * len(rest) + new)
    assert told(glance.of(study.folder)) == known, "what was read is read again"


def test_half_a_line_waits_until_it_is_whole(tmp_path):
    study = make_study(tmp_path, complete(0.9, 1000), None)
    journal = study.folder / layout.JOURNAL
    before = journal.read_bytes()
    end(study, study.records()[1], complete(0.95, 2000))
    whole, after = told(study), journal.read_bytes()
    journal.write_bytes(after[: len(before) + 40])
    assert [record.is_complete for record in glance.of(study.folder).records()] == [True, False]
    journal.write_bytes(after)
    assert told(glance.of(study.folder)) == whole


@pytest.mark.parametrize(
    "changed",
    [{"first": "of another journal"}, {"form": 0}, {"num_bytes": 10**9}],
    ids=["first", "form", "bytes"],
)
def test_what_was_kept_of_anything_else_is_not_read(changed, tmp_path):
    study = make_study(tmp_path, complete(0.9, 1000), complete(0.8, 500))
    same(study.folder)
    file = study.folder / glance.KEPT
    form, known = json.loads(file.read_text())
    form = changed.pop("form", form)
    file.write_text(json.dumps([form, {**known, **changed, "trials": []}]))
    same(study.folder)
    file.write_text("half of a li")
    same(study.folder)


def test_trials_that_break_a_limit_of_the_reference_come_and_go(tmp_path):
    limited = replace(SETTINGS, constraints=("accuracy within 5% of reference",))
    trials = [complete(0.8, 500), complete(0.9, 1000), complete(0.86, 200)]
    trained = replace(complete(0.97, 90_000), parent_quality={"accuracy": 0.97})
    measured = [replace(t, measurement=replace(t.measurement, latency_ms=0.5)) for t in trials]
    study = make_study(tmp_path, *measured, settings=limited)
    summary, *_ = same(study.folder)
    assert [member.trial_id for member in summary.front] == ["0001", "0002"]
    record = TrialRecord(TrialId(3), {}, {})
    study.start(record)
    end(study, record, trained)
    summary, *_ = same(study.folder)
    assert [member.trial_id for member in summary.front] == ["0003"]


def test_who_may_only_read_goes_without(tmp_path, monkeypatch):
    study = make_study(tmp_path, complete(0.9, 1000))

    def refuse(*_):
        raise PermissionError

    monkeypatch.setattr("pathlib.Path.write_text", refuse)
    same(study.folder)
    assert not (study.folder / glance.KEPT).exists()


def test_a_short_journal_is_read_without_a_file_beside_it(tmp_path, monkeypatch):
    monkeypatch.setattr(glance, "KEEP_FROM_BYTES", 1_000_000)
    study = make_study(tmp_path, complete(0.9, 1000))
    same(study.folder)
    assert not (study.folder / glance.KEPT).exists()


def test_a_search_in_a_database_is_looked_at_whole(tmp_path):
    url = storage.absolute(f"sqlite:///{tmp_path}/studies.db")
    study = make_study(tmp_path, complete(0.9, 1000), database=url)
    same(study.folder)


def test_a_search_of_an_earlier_version_is_refused(tmp_path):
    with pytest.raises(EarlierVersion, match="earlier version"):
        Glance(earlier_search.made(tmp_path / "old"))
