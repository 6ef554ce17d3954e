import re

import pytest
from helpers import known_search as known

from automl.study.study import create
from automl.tracking.pages import findings, report

COMPRESSES = {"train": False, "quantize": True}


@pytest.fixture
def found(tmp_path):
    return findings.read(known.make(tmp_path), COMPRESSES)


def rows(html):
    """The texts of a table's cells."""
    lines = re.findall(r"<tr>(.*?)</tr>", html.split("<tbody>")[1])
    return [re.findall(r"<td.*?>(?:<code>)?(.*?)(?:</code>)?</td>", line) for line in lines]


def test_the_first_sentences_tell_what_was_found_and_what_to_take(found):
    searched, reuse, front, advice = report.summary(found)
    assert "3 min 00 s on 2 slots" in searched
    assert "6 complete, 2 stopped, 1 rejected, 2 failed" in searched
    assert "1 model of the front was trained again" in searched
    assert "<b>4 models</b> are on the front: accuracy 0.8000 to 0.9800" in front
    assert f"Take trial {found.advice.record.trial_id}" in advice
    assert "1 trial took steps from others" in reuse and "saved 7.5 s" in reuse


def test_the_best_model_at_several_sizes(found):
    best = [(limit, record.trial_id) for limit, record in report.at_sizes(found)]
    assert best[0] == (5000.0, "0004")
    assert (10_000.0, "0000") in best and (20_000.0, "0001") in best
    assert best[-1][1] == "0003-refit"
    table = rows(report._sizes(found))
    assert [row[1] for row in table] == ["0004", "0000", "0001", "0003-refit"]
    assert table[1][2:4] == ["0.9000", "10,000"]
    assert table[1][-1] == (
        "automl export known --best accuracy --where &quot;size_bytes&lt;=10000&quot; --out out"
    )


def test_what_failed_alike_is_told_once_and_escaped(found):
    table = rows(report.reasons(found))
    assert table[0] == ["failed", "2", f"ValueError: {report.escape(known.EVIL)} at row 3"]
    assert sorted(row[0] for row in table[1:]) == ["rejected", "stopped", "stopped"]


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
    study = create(tmp_path / "empty", known.SETTINGS, "text", b"")
    page = report.document(findings.read(study, {}))
    assert "no model to take" in page
    assert "parallel" not in known.data(page)["charts"]
