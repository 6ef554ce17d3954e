import re
from dataclasses import replace

import pytest
from helpers import known_search as known

from automl.study import selection
from automl.study.study import create
from automl.tracking.pages import findings, report

COMPRESSES = {"train": False, "quantize": True}


@pytest.fixture
def found(tmp_path):
    return findings.read(known.make(tmp_path), COMPRESSES)


def table(page, heading):
    """The texts of the cells of a section's table."""
    section = page.split(f"<h2>{heading}</h2>")[1].split("</section>")[0]
    lines = re.findall(r"<tr><td.*?</tr>", section, re.S)
    return [list(map(known.text, re.findall(r"<td.*?>(.*?)</td>", line))) for line in lines]


def test_the_first_sentences_tell_what_was_found_and_what_to_take(found):
    page = known.text(report.document(found))
    assert "The search took 3 min 00 s on 2 slots." in page
    assert "Its trials: 6 complete, 2 stopped, 1 rejected, 2 failed. 1 model of the front" in page
    assert "1 model of the front was trained again" in page
    assert "4 models are on the front: accuracy 0.8000 to 0.9800, size_bytes 4,000 to" in page
    best = "The best accuracy on the front is 0.9800: trial 0003-refit, size_bytes 60,000, latency"
    assert f"Take trial {found.advice.record.trial_id} (the best compromise): accuracy" in page
    assert best in page
    assert "1 trial took steps from others" in page and "saved 7.5 s" in page


def test_what_is_to_be_known_of_the_model_to_take_is_told(found):
    record = found.advice.record
    noted = replace(record, result=replace(record.result, notes=("quantize left 92 %",)))
    noted = replace(found, advice=replace(found.advice, record=noted))
    assert f"Of trial {record.trial_id}: quantize left 92 %." in known.text(report.document(noted))


def test_the_best_model_at_several_sizes(found):
    best = [(own.limit, own.record.trial_id) for own in report.at_sizes(found)]
    assert best[0] == (5000.0, "0004")
    assert (10_000.0, "0000") in best and (20_000.0, "0001") in best
    assert best[-1][1] == "0003-refit"
    rows = table(report.document(found), "The best model at several sizes")
    assert [row[1] for row in rows] == ["0004", "0000", "0001", "0003-refit"]
    assert rows[1][2:4] == ["0.9000", "10,000"]
    assert rows[1][-1] == (
        'automl export known --best accuracy --where "size_bytes<=10000" --out out'
    )


def test_the_best_model_at_a_size_is_what_its_command_takes(tmp_path):
    """The second gives way to the third, as good, and is the best where that is too large."""
    axes = {name: known.AXES[name] for name in ("accuracy", "latency_ms")}
    settings = replace(known.SETTINGS, objectives=tuple(axes), axes=axes, constraints=())
    study = create(tmp_path / "two", settings, "text", {"": b""})
    for figures in ((0.90, 9_000, 0.10), (0.961, 9_500, 0.301), (0.96, 20_000, 0.30)):
        known.end(study, known.complete(*figures, 0.01))
    assert [record.trial_id for record in study.front().members] == ["0000", "0002"]
    rows = {row.limit: row.record for row in report.at_sizes(findings.read(study, {}))}
    assert {limit: own.trial_id for limit, own in rows.items()} == {10_000: "0001", 20_000: "0002"}
    for limit, record in rows.items():
        where = f"size_bytes<={limit:.0f}"
        assert selection.choose(study, best="accuracy", where=where).id == record.id


def test_what_failed_alike_is_told_once_and_escaped(found):
    page = report.document(found)
    first, *others = table(page, "What gave no model")
    assert first == ["failed", "2", f"ValueError: {known.EVIL} at row 3"]
    assert sorted(row[0] for row in others) == ["rejected", "stopped", "stopped"]
    assert known.EVIL not in page


def test_charts_hold_the_figures(found):
    page = report.document(found)
    charts = known.data(page)["charts"]
    by_time, by_trial = charts["hypervolume"]["data"]
    assert by_trial["x"] == list(range(13))
    assert by_time["y"] == by_trial["y"]
    assert by_time["y"][-1] == found.summary.hypervolume
    bars = {bar["name"]: dict(zip(bar["y"], bar["x"])) for bar in charts["spending"]["data"]}
    assert bars["training"] == {"train": 72.0}
    assert bars["not spent"] == {"saved by reuse": 7.5}
    dimensions = charts["parallel"]["data"][0]["dimensions"]
    assert [d["label"].split("<br>")[-1] for d in dimensions] == [
        *("accuracy", "size_bytes", "latency_ms", "model", "peak", "0"),
    ]
    assert all(len(d["values"]) == 7 for d in dimensions)
    assert known.EVIL not in page


def test_an_empty_study_has_a_report(tmp_path):
    study = create(tmp_path / "empty", known.SETTINGS, "text", {"": b""})
    page = report.document(findings.read(study, {}))
    assert "There is no model to take: no trial is complete yet." in page
    assert "parallel" not in known.data(page)["charts"]


def test_a_search_whose_constraints_nobody_meets_has_a_report(tmp_path):
    study = known.make(tmp_path, replace(known.SETTINGS, constraints=("latency_ms<=0.0001",)))
    study.set_attribute("exported", "0001")
    told = known.text(report.document(findings.read(study, {})))
    why = "no complete trial meets latency_ms <= 0.0001: trial 0004 comes nearest (latency_ms 0.05)"
    assert f"There is no model to take: {why}." in told
