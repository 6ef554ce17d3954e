"""What an export holds, beside what tests/cli/test_take.py reads off the command."""

from automl.quality import METRICS, Accuracy


def test_a_metric_of_another_space_is_no_figure_of_an_export(studied, tmp_path, monkeypatch):
    monkeypatch.setitem(METRICS, "of_another_space", Accuracy())
    exported = studied.export(tmp_path)
    assert "accuracy" in exported.figures.intervals
    assert "of_another_space" not in exported.figures.test
    assert "of_another_space" not in (tmp_path / "README.md").read_text()
