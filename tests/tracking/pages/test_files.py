import csv
import io
import json
from dataclasses import replace

import pytest
from helpers import known_search as known

from automl.study.study import create
from automl.tracking.pages import files as report


def test_files_hold_the_front(searched, tmp_path):
    files = report.write(searched.study, tmp_path)
    assert sorted(file.name for file in files) == sorted(f.name for f in tmp_path.iterdir())
    rows = list(csv.DictReader(io.StringIO((tmp_path / "front.csv").read_text())))
    assert [row["trial_id"] for row in rows] == [r.trial_id for r in searched.members()]
    assert json.loads((tmp_path / "front.json").read_text()) == searched.summary().as_json()
    assert (tmp_path / "front.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("name", ["front.html", "report.html"])
def test_a_page_is_whole_in_one_file(tmp_path, name):
    study = known.make(tmp_path)
    report.write(study, tmp_path)
    page = (tmp_path / name).read_text(encoding="utf-8")
    assert not any(mark in page for mark in ("<link", "src=", "@import", "url("))
    assert len(page) < 2_500_000, "plotly.js is in it once, and packed"


def test_steps_that_compress_are_known_from_the_space(tmp_path):
    study = known.make(tmp_path)
    report.write_page(study, tmp_path / "page.html")
    bars = known.data((tmp_path / "page.html").read_text())["charts"]["spending"]["data"]
    assert [bar["name"] for bar in bars[:2]] == ["training", "compression"]


def test_a_study_without_results_has_pages(tmp_path):
    study = create(tmp_path / "empty", known.SETTINGS, "text", {"": b""})
    for file in report.write(study, tmp_path):
        assert file.stat().st_size


def test_models_of_which_not_all_have_a_metric_have_pages(tmp_path):
    """A metric that the space file got while the search was interrupted, or a later version has."""
    study = create(tmp_path / "mixed", known.SETTINGS, "text", {"": b""})
    for accuracy, size_bytes, f1 in ((0.9, 1_000, None), (0.95, 2_000, 0.7), (0.97, 3_000, 0.8)):
        result = known.complete(accuracy, size_bytes, 0.1)
        quality = {"accuracy": accuracy, **({"macro_f1": f1} if f1 else {})}
        known.end(study, replace(result, measurement=replace(result.measurement, quality=quality)))
    report.write(study, tmp_path)
    rows = csv.DictReader(io.StringIO((tmp_path / "front.csv").read_text()))
    assert [row["macro_f1"] for row in rows] == ["", "0.7", "0.8"]
    for page in ("front.html", "report.html"):
        data = known.data((tmp_path / page).read_text(encoding="utf-8"))["front"]
        assert data["limits"]["macro_f1"] == [0.7, 0.8]


@pytest.mark.parametrize("count", [1, 3])
def test_models_that_are_all_alike_have_pages(tmp_path, count):
    """A space without compression may give every model the same size."""
    study = create(tmp_path / "alike", known.SETTINGS, "text", {"": b""})
    for _ in range(count):
        known.end(study, known.complete(0.9, 1_437, 0.1))
    for file in report.write(study, tmp_path):
        assert file.stat().st_size


def test_files_beside_a_front_are_named_as_they_are_called(tmp_path):
    figures = {"accuracy": 0.9, "size_bytes": 1_000}
    names = ["_small.onnx", "for $5.onnx", r"$\frac$.onnx"]
    picture = report.front_with(known.make(tmp_path), dict.fromkeys(names, figures))
    legend = picture.axes[0].get_legend().get_texts()
    assert [text.get_text() for text in legend][-3:] == names
    picture.savefig(tmp_path / "front.svg")
    assert f"<!-- {names[-1]} -->" in (tmp_path / "front.svg").read_text()
