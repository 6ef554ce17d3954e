"""Metrics against scikit-learn's, and one that a space file defines."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from helpers.trials import CACHE, drive, load, study_of
from scipy.special import softmax
from sklearn import metrics as theirs

from automl import pareto, quality, quality_maths, user_code
from automl.data.sklearn import Sklearn
from automl.errors import UserError
from automl.space import space_file
from automl.space.exploring import explore, validate
from automl.trial.reference_model import check_figures, largest

rng = np.random.default_rng(0)

SPACE = """
import numpy as np
from automl import MLP, Int, Metric, Sklearn, Space, Train, TrialConfig

class MeanRecall(Metric):
    def __call__(self, outputs, targets):
        hits = outputs.argmax(1) == targets
        return np.mean([hits[targets == each].mean() for each in np.unique(targets)])

class Surprisal(Metric):
    better = "min"
    perfect = 0.0

    def __call__(self, outputs, targets):
        outputs = outputs - outputs.max(1, keepdims=True)
        shares = np.exp(outputs) / np.exp(outputs).sum(1, keepdims=True)
        return -np.log(shares[np.arange(len(targets)), targets]).mean()

space = Space(
    TrialConfig(Sklearn("wine"), MLP((8,)), (Train(epochs=2),)),
    objectives=("mean_recall", "surprisal", "size_bytes"),
    constraints=("surprisal<=5",),
)
"""


def outputs_and_targets(metric):
    """Answers to 300 rows of the first task that suits a metric, and their targets."""
    num_classes = next(number for number in (2, 0, 8) if metric.suits(number))
    if num_classes == 0:
        targets = rng.normal(size=(300, 1))
        return targets + 0.5 * rng.normal(size=(300, 1)), targets
    targets = rng.integers(0, num_classes, 300)
    return np.eye(num_classes)[targets] + rng.normal(size=(300, num_classes)), targets


@pytest.mark.parametrize("num_classes", [2, 5, 8])
def test_classification_is_measured_as_by_scikit_learn(num_classes):
    logits = rng.normal(size=(200, num_classes)).round(1)
    targets = rng.integers(0, num_classes, 200)
    figures = quality.measured(logits, targets)
    predicted = logits.argmax(1)
    assert figures["accuracy"] == theirs.accuracy_score(targets, predicted)
    assert figures["macro_f1"] == pytest.approx(
        theirs.f1_score(targets, predicted, average="macro")
    )
    assert figures["macro_f2"] == pytest.approx(
        theirs.fbeta_score(targets, predicted, beta=2, average="macro")
    )
    assert figures["balanced_accuracy"] == pytest.approx(
        theirs.balanced_accuracy_score(targets, predicted)
    )
    assert figures["log_loss"] == pytest.approx(theirs.log_loss(targets, softmax(logits, axis=1)))
    assert ("top5" in figures) == (num_classes == 8)
    if num_classes == 8:
        distinct = logits + 1e-6 * rng.normal(size=logits.shape)
        assert quality.Top5()(distinct, targets) == theirs.top_k_accuracy_score(
            targets, distinct, k=5
        )
    assert ("roc_auc" in figures) == (num_classes == 2)
    if num_classes == 2:
        scores = logits[:, 1] - logits[:, 0]
        assert figures["roc_auc"] == pytest.approx(theirs.roc_auc_score(targets, scores))


def test_classes_that_are_rare_or_absent_count_as_they_should():
    logits = np.eye(6)[[0, 0, 0, 5]]
    targets = np.array([0, 0, 0, 1])
    figures = quality.measured(logits, targets)
    assert figures["balanced_accuracy"] == 0.5
    assert figures["macro_f2"] == pytest.approx((1 + 0 + 0) / 6)


def test_answers_that_are_all_alike_are_among_no_five():
    targets = np.arange(10)
    assert quality.Top5()(np.zeros((10, 10)), targets) == 0
    assert quality.Top5()(np.full((10, 10), np.nan), targets) == 0
    assert quality.Top5()(np.tile(np.arange(10.0), (10, 1)), targets) == 0.5


def test_a_metric_below_another_takes_its_own_beta(forgotten):
    class MacroF05(quality.MacroF1):
        beta = 0.5

    targets = rng.integers(0, 3, 100)
    logits = rng.normal(size=(100, 3))
    assert quality.measured(logits, targets)["macro_f05"] == pytest.approx(
        theirs.fbeta_score(targets, logits.argmax(1), beta=0.5, average="macro")
    )


def test_the_area_under_the_curve_of_one_class_alone_is_a_half():
    assert quality.RocAuc()(rng.normal(size=(5, 2)), np.ones(5, np.int64)) == 0.5


def test_regression_is_measured_as_by_scikit_learn():
    targets = rng.normal(size=(200, 3)) * [1, 10, 100]
    predictions = targets + rng.normal(size=(200, 3))
    figures = quality.measured(predictions, targets)
    assert figures["rmse"] == pytest.approx(theirs.mean_squared_error(targets, predictions) ** 0.5)
    assert figures["mae"] == pytest.approx(theirs.mean_absolute_error(targets, predictions))
    assert figures["r2"] == pytest.approx(theirs.r2_score(targets, predictions))


def test_the_share_that_is_explained_is_the_same_in_every_unit():
    targets, noise = rng.normal(size=(2, 200, 2))
    share = quality.R2()(targets + noise, targets)
    for unit in (1e-15, 1e9):
        assert quality.R2().ends(unit * targets) == pytest.approx((0, 1))
        assert quality.R2()(unit * (targets + noise), unit * targets) == pytest.approx(share)


def test_of_constant_targets_all_or_nothing_is_explained():
    spread = rng.normal(size=200)
    for off in (0.0, 0.01):
        targets = np.stack([spread, np.full(200, 0.5)], 1).astype(np.float32)
        answers = targets + np.float32(off)
        figure = quality.R2()(answers, targets)
        assert figure == pytest.approx(theirs.r2_score(targets, answers))
        targets[:, 1] = 0.1  # the mean of such numbers is rounded
        assert quality.R2()(targets + np.float32(off), targets) == pytest.approx(figure)


@pytest.mark.parametrize("num_classes", [2, 8])
def test_chance_and_perfection_are_the_ends_of_every_metric(num_classes):
    targets = rng.integers(0, num_classes, 2000)
    sure = 1e3 * np.eye(num_classes)[targets]
    for name, metric in quality.metrics(num_classes).items():
        chance, perfect = metric.ends(targets)
        assert metric(sure, targets) == perfect
        guess = metric(1e-6 * rng.normal(size=(2000, num_classes)), targets)
        assert guess == pytest.approx(chance, abs=0.05), name
    numbers = rng.normal(size=(1000, 1))
    for metric in quality.metrics(0).values():
        chance, perfect = metric.ends(numbers)
        assert metric(numbers, numbers) == perfect
        mean = np.full_like(numbers, numbers.mean())
        assert metric(mean, numbers) == pytest.approx(chance)


def test_the_wilson_interval_holds_the_share():
    assert quality_maths.wilson_interval(0.5, 100) == pytest.approx((0.4038, 0.5962), abs=1e-4)
    low, high = quality_maths.wilson_interval(1.0, 359)
    assert 0.98 < low < high == pytest.approx(1.0)


@pytest.mark.parametrize("name", quality.METRICS)
def test_every_metric_lies_in_its_interval(name):
    metric = quality.METRICS[name]
    outputs, targets = outputs_and_targets(metric)
    low, high = metric.interval(outputs, targets)
    assert low < metric(outputs, targets) < high
    assert high - low < 0.2


def test_a_metric_of_a_space_file_is_checked_measured_and_ranked(forgotten, store):
    space = space_file.load(SPACE)
    explored = validate(space)
    reports, result = drive(space.trial, store)
    figures = result.measurement.quality
    assert list(figures)[-2:] == ["mean_recall", "surprisal"]
    assert figures["mean_recall"] == pytest.approx(figures["balanced_accuracy"])
    assert figures["surprisal"] == pytest.approx(figures["log_loss"])
    assert reports[0].metrics["surprisal"] > reports[-1].metrics["surprisal"] > 0
    assert pareto.DIRECTIONS["mean_recall"] == "max"
    assert pareto.dominates({"surprisal": 0.1}, {"surprisal": 0.2}, ["surprisal"])
    reference = largest(space, explored, Path(CACHE.name))
    axes = reference.axes(space.objectives, {"size_bytes": 1000.0})
    assert axes["mean_recall"].worst == pytest.approx(1 / 3)
    assert axes["surprisal"].worst > axes["surprisal"].best == 0


LOOK = """
import sys
from pathlib import Path
from automl.engine.searches import open_study
from automl.home import Home
from automl.quality import METRICS
assert "surprisal" not in METRICS
study = open_study(Home(Path(sys.argv[1])), "own")
summary = study.summary()
assert summary.objectives == {"mean_recall": "max", "surprisal": "min", "size_bytes": "min"}
assert summary.front and 0 < summary.hypervolume <= 1
"""


def test_a_search_by_an_own_metric_is_read_elsewhere(forgotten, tmp_path, monkeypatch):
    monkeypatch.setattr(space_file, "find", lambda name: tmp_path / f"{name}.py")
    text = SPACE.replace("MLP((8,))", "MLP((Int(8, 16),))").replace("epochs=2", "epochs=20")
    (tmp_path / "own.py").write_text(text)
    study_of("own", 3, {}, tmp_path / "home")
    subprocess.run([sys.executable, "-c", LOOK, tmp_path / "home"], check=True)


def test_a_text_that_defines_a_metric_is_told_from_others():
    names = {"Metric", "Accuracy"}
    assert user_code.defines_below(SPACE, names)
    assert user_code.defines_below("class Mine(automl.Accuracy):\n    pass", names)
    assert not user_code.defines_below("class Mine(Step):\n    pass\nMetric = 3", names)


def test_a_metric_without_a_figure_of_chance_is_told(forgotten):
    class Correlation(quality.Metric):
        def suits(self, num_classes):
            return num_classes == 0

        def __call__(self, outputs, targets):
            return float("nan") if np.ptp(outputs) == 0 else 0.5

    with pytest.raises(UserError, match=r"Correlation: .* define `chance\(self, targets\)`"):
        Correlation().ends(rng.normal(size=(9, 1)))
    assert quality.RocAuc().ends(np.zeros(9, np.int64)) == (0.5, 1.0)


def test_a_metric_that_cannot_be_ranked_is_told(forgotten):
    class Upside(quality.Metric):
        better = "min"

        def __call__(self, outputs, targets):
            return quality.Accuracy()(outputs, targets)

    with pytest.raises(UserError, match=r"a guess reaches 0\.75, .* correct these two"):
        Upside().ends(np.array([0, 1, 1, 1]))


def test_a_metric_takes_no_name_that_has_a_meaning(forgotten):
    for name in ("SizeBytes", "Macro_F1"):
        with pytest.raises(UserError, match="takes the name"):
            type(name, (quality.Metric,), {})
    with pytest.raises(UserError, match="has fields"):
        type("FBeta", (quality.Metric,), {"__annotations__": {"beta": "float"}})


def test_a_metric_of_ones_own_is_told_how_to_suit_a_regression(forgotten):
    class Mape(quality.Metric):
        pass

    with pytest.raises(UserError, match=r"on a regression; .*, or have its suits\(0\) return True"):
        check_figures(("mape",), load(Sklearn("diabetes")).info)
    with pytest.raises(UserError, match=r"accuracy cannot be measured on a regression; .* mae$"):
        check_figures(("accuracy",), load(Sklearn("diabetes")).info)


def test_a_regressions_metrics_are_no_objectives_of_classes(forgotten):
    space = space_file.load(SPACE.replace('"mean_recall"', '"rmse"'))
    with pytest.raises(UserError, match="rmse cannot be measured on a choice among 3 classes"):
        largest(space, explore(space), Path(CACHE.name))


@pytest.mark.parametrize(
    ("class_counts", "name"),
    [
        ((), "rmse"),
        ((50, 50), "accuracy"),
        ((60, 41), "accuracy"),
        ((80, 20), "roc_auc"),
        ((30, 30, 20), "accuracy"),
        ((60, 30, 5), "macro_f1"),
    ],
)
def test_the_usual_metric_suits_the_rows_of_each_class(class_counts, name):
    assert quality.usual(class_counts)[0] == name
