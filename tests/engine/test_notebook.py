"""A search as a notebook shows it, and the notebook of a user, executed."""

from dataclasses import replace

import pytest
from helpers.small_study import complete, make_study

from automl.engine import notebook_html
from automl.engine.notebook_watch import NotebookWatch, in_notebook
from automl.engine.searches import Search
from automl.errors import UserError
from automl.home import Home

CELLS = (
    "import automl\n"
    "from automl import MLP, Int, OneOf, Quantize, Sklearn, Space, Train, TrialConfig",
    "space = Space(TrialConfig(Sklearn('digits'), MLP((Int(8, 32),)),\n"
    "    (Train(epochs=2), OneOf(None, Quantize()))))\n"
    "search = automl.search(space, trials=3, refit_minutes=0)",
    "search",
    "assert list(search.front().index) == [m.trial_id for m in search.members()]\nsearch.front()",
    "search.plot()",
    "best = search.best('accuracy')\nsearch.export('out', trial=best.trial_id)",
    "class Mine(MLP):\n    pass\n"
    "automl.search(Space(TrialConfig(Sklearn('digits'), Mine((8,)), (Train(),))))",
)


@pytest.fixture
def search(tmp_path):
    study = make_study(tmp_path, complete(0.9, 1000), complete(0.95, 9000), complete(0.8, 5000))
    return Search(study, Home(tmp_path))


def test_the_front_is_a_frame(search):
    frame = search.front()
    assert list(frame.index) == ["0000", "0001"]
    assert frame.loc["0001", "accuracy"] == 0.95
    assert frame.size_bytes.max() == 9000


def test_an_empty_front_is_an_empty_frame(tmp_path):
    search = Search(make_study(tmp_path), Home(tmp_path))
    assert len(search.front()) == 0
    assert "no trial yet" in search._repr_html_()


def test_the_best_model_is_one_of_the_front(search):
    assert search.best().trial_id == "0001"
    assert search.best("size_bytes").trial_id == "0000"
    assert search.best(where="size_bytes<=2000").measurement["accuracy"] == 0.9


def test_the_plot_has_two_figures_as_its_axes(search):
    drawn = search.plot()
    assert (drawn.layout.xaxis.title.text, drawn.layout.yaxis.title.text) == (
        "size_bytes",
        "accuracy",
    )
    points = {point for trace in drawn.data for point in zip(trace.x, trace.y)}
    assert {(1000, 0.9), (9000, 0.95), (5000, 0.8)} <= points
    with pytest.raises(UserError, match="unknown figure 'size'"):
        search.plot("size")


def test_a_search_shows_its_front_as_a_table_and_as_the_page(search):
    shown = search._repr_html_()
    table = notebook_html.table(search.summary())
    assert shown.startswith(table)
    assert "<td>0001</td><td>0.9500</td><td>9,000</td>" in table
    assert table.index("0001") < table.index("0000"), "the best in the first objective first"
    assert '<iframe srcdoc="&lt;!' in shown


def test_a_search_that_ended_without_a_model_says_why(search):
    class Shown:
        def update(self, watch):
            self.html = watch._repr_html_()

    watch = NotebookWatch()
    watch.output = Shown()
    watch.ended(replace(search, failed="ValueError: <boom>"), ["a note"])
    assert watch.output.html == "<p>a note<br>no model: ValueError: &lt;boom&gt;</p>"


def test_this_is_no_notebook():
    assert not in_notebook()


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_notebook_is_executed(tmp_path):
    nbformat = pytest.importorskip("nbformat", reason="nbformat is not installed")
    nbclient = pytest.importorskip("nbclient", reason="nbclient is not installed")
    pytest.importorskip("ipykernel", reason="ipykernel is not installed")
    book = nbformat.v4.new_notebook(cells=[*map(nbformat.v4.new_code_cell, CELLS)])
    book.metadata["kernelspec"] = {"name": "python3", "language": "python", "display_name": "p"}
    client = nbclient.NotebookClient(book, timeout=500, allow_errors=True, kernel_name="python3")
    client.execute(cwd=str(tmp_path))
    *fine, refused = book.cells
    outputs = [[one for one in cell.outputs if one.output_type != "stream"] for cell in fine]
    assert not [one for cell in outputs for one in cell if one.output_type == "error"]
    assert "hypervolume" in outputs[1][0].data["text/html"], "the search while it ran"
    assert "<iframe" in outputs[2][0].data["text/html"]
    assert "accuracy" in outputs[3][0].data["text/html"]
    assert any("plotly" in kind for kind in outputs[4][0].data)
    assert (tmp_path / "out" / "model.onnx").exists()
    (error,) = refused.outputs
    assert "Mine is defined in this notebook or script" in error.evalue
