"""A search from its space to its end, through a real Ray."""

import mlflow
import pytest
from helpers.undelivered import undelivered

from automl.cluster import session
from automl.engine import api
from automl.engine.watch import Watch
from automl.errors import UserError
from automl.study import selection

SPACE = """
from automl import MLP, Int, OneOf, Quantize, Sklearn, Space, Train, TrialConfig

space = Space(
    TrialConfig(
        Sklearn("digits"),
        MLP((Int(8, 64),)),
        (Train(epochs=5), OneOf(None, Quantize(), likely="None")),
    ),
    ("accuracy", "size_bytes"),
)
"""
UNTIL = "accuracy within 20% of reference and size_bytes <= 40% of reference"


class Notes(Watch):
    def ended(self, search, notes):
        self.notes = notes


@pytest.fixture(scope="module")
def cluster():
    """One Ray for the searches of this file, which take seconds to start one each."""
    with session.connected(None):
        yield


@pytest.fixture
def space(tmp_path):
    path = tmp_path / "own.py"
    path.write_text(SPACE)
    return path


def test_a_resumed_search_ends_at_the_first_model_that_meets_its_goal(cluster, space, tmp_path):
    watch, home = Notes(), tmp_path / "home"
    with undelivered():
        begun = api.search(space, trials=1, until=UNTIL, concurrency=1, home=home, watch=watch)
        assert len(begun.study.records()) == 1, "the reference itself is too large"
        assert "no model meets" in watch.notes[-1]
        found = api.resume("own", trials=12, home=home, watch=watch)
    records = found.study.records()
    assert records[0].params["model.widths.0"] == 64, "the reference is trained first"
    met = records[-1]
    reference = max(r.result.parent_quality["accuracy"] for r in records)
    assert len(records) < 12 and not found.study.refits()
    assert met.values["accuracy"] >= 0.8 * reference
    assert met.values["size_bytes"] <= 0.4 * len(found.study.reference)
    assert watch.notes[-1].startswith(f"the search has ended: trial {met.trial_id} meets accuracy")
    assert selection.choose(found.study, where=UNTIL, best="size_bytes").id == met.id
    with pytest.raises(UserError, match=r"has ended: trial .* give another goal, or none: .*\"\""):
        api.resume("own", home=home)
    with pytest.raises(UserError, match="'rmse<1', character 1: unknown figure 'rmse'"):
        api.resume("own", home=home, until="rmse<1")


def test_a_goal_may_name_a_metric_of_the_space_file(forgotten, space, tmp_path):
    own = "from automl import MacroF1\n\nclass Mine(MacroF1):\n    beta = 3.0\n"
    space.write_text(own + SPACE)
    with pytest.raises(UserError, match="at character 7 'high' stands in place of a number"):
        api.search(space, until="mine>=high", home=tmp_path / "home")


@pytest.mark.parametrize(
    ("until", "sentence"),
    [
        ("acuracy>=0.9", "character 1: unknown figure 'acuracy'; did you mean 'accuracy'"),
        ("rmse<=0.9", "rmse cannot be measured on a choice among 10 classes; choose one of acc"),
        ("accuracy>=97%", "'of reference', e.g. accuracy>=97% of reference or accuracy>=0.97"),
    ],
)
def test_a_goal_that_cannot_be_is_told_before_anything_runs(until, sentence, space, tmp_path):
    with pytest.raises(UserError) as error:
        api.search(space, until=until, home=tmp_path / "home")
    assert sentence in str(error.value)
    assert not (tmp_path / "home" / "own").exists()


def test_a_search_on_two_runtimes_measures_resumes_and_exports_on_both(cluster, space, tmp_path):
    home, other = tmp_path / "home", "onnxruntime-1x512/latency_ms"
    begun = {"trials": 1, "concurrency": 1, "refit_minutes": 0, "home": home}
    wanted = ("onnxruntime", "onnxruntime:batch=512")
    api.search(space, runtimes=wanted, name="two", sets={"recipe.train.epochs": "1"}, **begun)
    found = api.resume("two", trials=2, home=home)
    settings, records = found.study.settings, [r for r in found.study.records() if r.is_complete]
    assert len(records) == 2 and settings.measured_on
    for record in records:
        assert record.values[other] > record.values["latency_ms"] > 0
        assert 0 < record.uncertainty[other] < record.values[other]
        assert record.measurement.machine == settings.measured_on
    assert settings.reference[other] > settings.reference_latency_ms
    there = found.study.on_runtime("onnxruntime-1x512").front().members
    exported = found.export(tmp_path / "out", runtime="onnxruntime-1x512", best=other)
    assert exported.trial_id in [record.trial_id for record in there]
    assert exported.figures.test[other] > 0 and exported.figures.test["latency_ms"] > 0
    client = mlflow.MlflowClient(found.home.mlflow_uri)
    place = found.study.attribute("mlflow")
    runs = client.search_runs([place["experiment_id"]], "tags.`automl.trial_id` = '0000'")
    assert runs[0].data.metrics[other] == records[0].values[other]


def test_a_tracking_database_is_the_same_from_every_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    begun, _ = api._read("search", {"tracking_uri": "sqlite:///mlflow.db"})
    monkeypatch.chdir("/")
    resumed, _ = api._read("resume", {}, vars(begun))
    assert begun.tracking_uri == resumed.tracking_uri == f"sqlite:///{tmp_path}/mlflow.db"
