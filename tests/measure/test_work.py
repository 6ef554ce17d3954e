"""The work of an exported file for one row, and that a search may be told to lessen it."""

from helpers.trials import DIGITS, load

from automl import pareto, quality
from automl.export import onnx as exporting
from automl.measure.measurement import measure
from automl.measure.work import work
from automl.models.mlp import MLP


def test_the_work_of_a_file_is_a_figure_of_it(build):
    rows = load(DIGITS).validation
    file = exporting.export(build(MLP((32,))), load(DIGITS))
    known = work(file, rows.inputs[:1])
    assert known.macs == 64 * 32 + 32 * 10
    assert known.peak_activation_bytes == 4 * (64 + 64)
    figures = measure(file, rows.inputs[:50], rows.targets[:50]).figures
    assert {name: figures[name] for name in pareto.WORK} == known._asdict()
    assert set(pareto.WORK) < set(pareto.DIRECTIONS) - set(quality.METRICS)
