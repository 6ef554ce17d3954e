import csv
import io
import json

from automl.study.front import Front
from automl.tracking import report


def test_the_figure_shows_every_measured_trial_with_its_parameters(searched):
    known = [*searched.study.records(), *searched.study.finishes()]
    records = [r for r in known if r.result.measurement]
    front = searched.front()
    figure = report.figure("digits", searched.study.settings.objectives, records, front)
    others, members = figure.data
    assert len(members.x) == len(front)
    assert len(others.x) == len(records) - len(front)
    best = max(front, key=lambda record: record.values["size_bytes"])
    assert members.x[-1] == best.values["size_bytes"]
    for name, value in best.params.items():
        assert name in members.text[-1]
        if isinstance(value, str):
            assert value in members.text[-1]


def test_files_hold_the_front(searched, tmp_path):
    report.write(searched.study, tmp_path)
    rows = list(csv.DictReader(io.StringIO((tmp_path / "front.csv").read_text())))
    assert [row["trial_id"] for row in rows] == [r.trial_id for r in searched.front()]
    assert json.loads((tmp_path / "front.json").read_text()) == searched.summary()
    assert (tmp_path / "front.png").read_bytes().startswith(b"\x89PNG")
    page = (tmp_path / "front.html").read_text()
    assert "http" not in page.split("<body>")[0].replace("http-equiv", "")


def test_a_study_without_results_has_an_empty_page(searched, tmp_path):
    class Empty:
        name, settings = "empty", searched.study.settings

        def records(self):
            return []

        def finishes(self):
            return []

        def front(self, records=None):
            return Front(self.settings)

        def summary(self):
            return {}

    report.write(Empty(), tmp_path)
    assert (tmp_path / "front.html").exists()
