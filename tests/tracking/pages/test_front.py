from dataclasses import replace

import pytest
from helpers import known_search as known

from automl.tracking.pages import files, findings, front, report
from automl.tracking.pages.findings import AS_GOOD, BREAKS, DOMINATED, FRONT


def test_every_known_trial_is_drawn_with_its_parameters(found):
    figure = front.chart(found)
    traces = {trace.name: trace for trace in figure.data}
    counts = {name: len(trace.customdata) for name, trace in traces.items()}
    take = f"take: {found.advice.record.trial_id}"
    assert counts == {"stopped": 1, BREAKS: 1, DOMINATED: 2, FRONT: 4, take: 1}
    names = found.names
    for row, text, record in zip(traces[FRONT].customdata, traces[FRONT].text, found.front):
        assert dict(zip(names, row)) == {name: record.values[name] for name in names}
        assert record.trial_id in text
        for path, value in record.params.items():
            assert path in text
            if isinstance(value, str):
                assert value in text


def test_uncertain_figures_have_bars_and_what_they_leave_out_is_a_ring(tmp_path):
    found = findings.read(known.make(tmp_path, error=0.04), {})
    traces = {trace.name: trace for trace in front.chart(found).data}
    assert [len(traces[name].customdata) for name in (FRONT, AS_GOOD)] == [3, 1]
    assert "trial 0003-refit" in traces[AS_GOOD].text[0]
    assert "accuracy: 0.9800 ± 0.04" in traces[AS_GOOD].text[0]
    assert [dict(zip(found.names, row))["accuracy"] for row in traces[FRONT].meta] == [0.04] * 3
    (drawn,) = (t for t in front.plot(found, "size_bytes", "accuracy").data if t.name == FRONT)
    assert [*drawn.error_y.array] == [0.04] * 3 and [*drawn.error_x.array] == [0] * 3
    page = known.text(front.document(found))
    assert "Bars are standard errors" in page


def test_what_is_only_known_in_part_says_so(found):
    (stopped,) = (trace for trace in front.chart(found).data if trace.name == "stopped")
    figures = dict(zip(found.names, stopped.customdata[0]))
    assert figures["latency_ms"] is None
    assert "at epoch 2 of train" in stopped.text[0]
    assert "size_bytes: at least 50,000" in stopped.text[0]
    page = known.text(front.document(found))
    assert "no figure of them is known: 1 stopped, 1 rejected, 2 failed." in page
    assert "Bars are standard errors" not in page


def test_what_trials_wrote_cannot_end_the_script(found):
    assert known.EVIL not in front.document(found)


def test_limits_span_the_front_and_the_command_takes_the_chosen_model(found):
    data = known.data(front.document(found))["front"]
    assert data["limits"]["size_bytes"] == [4_000, 60_000]
    assert data["better"]["latency_ms"] == "min"
    assert data["take"] == "automl export known --knee --out out"


@pytest.mark.parametrize(
    ("values", "ticks"),
    [
        ([900, 60_000], [1000, 3000, 10000, 30000]),
        ([4_000, 9_000], [4000, 5000, 7000]),
        ([0.05, 0.9], [0.05, 0.1, 0.2, 0.5]),
    ],
)
def test_bytes_and_times_have_round_numbers_on_their_axes(values, ticks):
    found = front.axis("size_bytes", values)
    assert found["type"] == "log"
    assert found["tickvals"] == ticks


@pytest.fixture
def without_products(tmp_path, monkeypatch):
    """A search of models without matrix products."""

    def complete(*figures, **more):
        result = known_complete(*figures, **more)
        return replace(result, measurement=replace(result.measurement, macs=0))

    known_complete = known.complete
    monkeypatch.setattr(known, "complete", complete)
    return known.make(tmp_path)


def test_a_figure_that_is_0_has_an_axis_without_logarithms(without_products, tmp_path):
    found = findings.read(without_products, {})
    data = known.data(front.document(found))["front"]
    assert "macs" in data["names"] and "macs" not in data["logarithmic"]
    assert "type" not in data["axes"]["macs"] and data["axes"]["size_bytes"]["type"] == "log"
    objectives = (*found.settings.objectives, "macs")
    found = replace(found, settings=replace(found.settings, objectives=objectives))
    (parallel,) = known.data(report.document(found))["charts"]["parallel"]["data"]
    (macs,) = (one for one in parallel["dimensions"] if one["label"] == "macs")
    assert {*macs["values"]} == {0}
    files.write(without_products, tmp_path)
    assert (tmp_path / "front.png").stat().st_size
