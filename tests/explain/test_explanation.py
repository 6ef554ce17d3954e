"""`automl explain` on a small study: what it says is what is there."""

import json
import sys
from dataclasses import asdict, replace

import mlflow
import pytest
from helpers.trials import drive, study_of

from automl.cli.app import main
from automl.explain.ablation import techniques
from automl.explain.findings import Ablation, Outcome, Parameters
from automl.explain.neighbours import Neighbour
from automl.explain.text import sentences
from automl.measure.latency import Reference
from automl.recipe import LayerOutcome
from automl.runtimes.onnx import OnnxRuntime
from automl.space.store_keys import prefix_keys
from automl.store import Store
from automl.study import selection
from automl.study.one_choice import OneChoice
from automl.tracking import publish
from automl.tracking.mlflow_client import SearchRun
from automl.trial import layer_outcomes
from automl.trial.prefixes import PARENT_FILE


@pytest.fixture
def record(studied, explained):
    found, _, _ = explained
    return selection.choose(studied.study, trial=found.model.trial_id)


def test_the_model_made_again_is_what_was_recorded(explained, record):
    found, _, _ = explained
    assert (found.model.is_same, found.model.difference) == (True, "")
    assert found.model.recorded == record.values
    for name in ("accuracy", "macro_f1", "size_bytes"):
        assert found.ablation.whole.figures[name] == record.values[name]


def test_each_technique_is_what_a_trial_without_it_gives(studied, explained, record, store):
    found, _, _ = explained
    without = {outcome.name: outcome for outcome in found.ablation.without}
    variants = techniques(studied.config(record))
    assert list(without) == list(variants) and variants
    for name, variant in variants.items():
        _, alone = drive(variant, store)
        outcome = without[name]
        assert (outcome.status, outcome.reason) == (alone.status, alone.reason)
        if alone.measurement:
            assert outcome.figures["size_bytes"] == alone.measurement.size_bytes
            assert outcome.figures["accuracy"] == alone.measurement.quality["accuracy"]


WINE = """
from automl import MLP, Sklearn, Space, Train, TrialConfig

space = Space(TrialConfig(Sklearn("wine"), MLP((8,)), (Train(epochs=1),)))
"""


def test_times_on_a_runtime_that_is_not_here_are_told_as_those_of_one_thread(tmp_path, monkeypatch):
    (tmp_path / "wine.py").write_text(WINE)
    search = study_of(str(tmp_path / "wine.py"), 1, {}, tmp_path / "home")
    (usual,) = search.study.timed_beside.values()
    away = {"coreml": Reference(usual.file, 1e6, 1e6, OnnxRuntime("CoreML"))}
    monkeypatch.setattr(type(search.study), "timed_beside", away)
    said = []
    found = search.explain(say=said.append)
    assert "no provider CoreML" in said[0] and "are of one thread here" in said[0]
    assert found.ablation.whole.figures["latency_ms"] < 1000


def test_an_explanation_has_its_parts(studied, explained, record):
    found, _, said = explained
    parameters, comparison = found.parameters, found.answers.comparison
    assert parameters.num_complete >= 20
    assert set(parameters.alone) == set(parameters.pairs) == set(found.objectives)
    paths = {one.path for own in parameters.alone.values() for one in own}
    assert paths <= {path for one in studied.study.records() for path in one.params}
    assert found.sensitivity
    assert len(found.proposals) >= 3
    confusion = comparison.confusion.after
    assert sum(map(sum, confusion)) == comparison.num_rows
    right = sum(confusion[i][i] for i in range(10))
    assert right / comparison.num_rows == pytest.approx(record.values["accuracy"])
    assert any("measuring it without" in sentence for sentence in said)
    assert said[-1] == "digits has no run in MLflow to put explain.html on"


def test_its_json_holds_every_part(explained):
    found, _, _ = explained
    data = found.as_json()
    assert json.loads(json.dumps(data)) == data
    assert list(data) == [
        *(
            "search",
            "trial_id",
            "origin",
            "chosen",
            "objectives",
            "quality",
            "params",
            "model",
            "ablation",
        ),
        *("answers", "sensitivity", "layers", "num_complete", "importance", "interactions"),
        *("one_choice", "beside", "next", "findings"),
    ]
    assert data["model"]["measured"] == found.ablation.whole.figures
    assert data["ablation"]["course"][0]["name"] == "train"
    shown = data["answers"]["changed"][: len(found.answers.previews)]
    assert [item["picture"] for item in shown] == [p["picture"] for p in found.answers.previews]
    assert all(own["of"] and own["layers"] for own in data["sensitivity"].values())


def test_the_findings_are_sentences_with_the_figures(explained, record):
    found, _, _ = explained
    text = "\n".join(found.findings)
    assert f"trial {record.trial_id}" in text and f"{record.values['size_bytes']:,} bytes" in text
    for outcome in found.ablation.without:
        assert any(sentence.startswith(outcome.name) for sentence in found.findings)
    assert "same quality and bytes exactly" in text
    assert "Next the search would" in text
    assert all(sentence.endswith(".") for sentence in found.findings)


def test_what_was_left_as_it_was_is_a_finding(explained):
    found, _, _ = explained
    assert not any(
        "as they were" in sentence for sentence in sentences(replace(found, outcomes={}))
    )
    outcomes = {"quantize": (LayerOutcome("lstm.weight", 9, reason="LSTM"),)}
    left = replace(found, outcomes=outcomes)
    text = "\n".join(sentences(left))
    assert "quantize left 100 % of the weights as they were (36 of the file's" in text
    assert "lstm.weight, 100 % (LSTM).\n" in text
    assert left.as_json()["layers"] == layer_outcomes.as_json(outcomes)


def test_a_model_that_is_not_what_was_recorded_is_told(explained):
    found, _, _ = explained
    model = replace(found.model, difference="size_bytes 1 in place of 2")
    text = "\n".join(sentences(replace(found, model=model)))
    assert "not what was recorded: size_bytes 1 in place of 2" in text


@pytest.mark.parametrize(
    ("without", "sentence"),
    [
        ((0.90, 2000), "cut bought 1,000 bytes (a factor of 2.00) and 0.0500 accuracy"),
        ((0.97, 2000), "cut bought 1,000 bytes (a factor of 2.00) for 0.0200 accuracy."),
        ((0.97, 500), "cut bought nothing here, and cost 500 bytes (a factor of 2.00) and 0.0200"),
        ((0.95, 1000), "cut changed neither bytes nor accuracy."),
    ],
)
def test_what_a_technique_gained_in_words(without, sentence, explained):
    def outcome(name, *figures):
        return Outcome(name, "complete", "", dict(zip(("accuracy", "size_bytes"), figures)))

    ablation = Ablation(outcome("the model", 0.95, 1000), [], [outcome("cut", *without)])
    changed = replace(explained[0], ablation=ablation)
    assert any(one.startswith(sentence) for one in sentences(changed))


def outcome(name, accuracy, size_bytes, latency_ms=0.1, seconds=0.0):
    figures = {"accuracy": accuracy, "size_bytes": size_bytes, "latency_ms": latency_ms}
    return Outcome(name, "complete", "", figures, seconds)


def test_a_refit_is_told_through_its_origin(explained):
    steps = [
        outcome("train", 0.97, 30_000, 0.020, seconds=4.0),
        outcome("prune", 0.90, 10_000, 0.010, seconds=4.5),
        outcome("the refit", 0.98, 10_000, 0.0101, seconds=9.0),
        outcome("quantize", 0.975, 4_000, 0.0105, seconds=9.2),
    ]
    whole, kept = replace(steps[-1], name="the model"), outcome("the refit", 0.89, 4_000, 0.0105)
    model = replace(explained[0].model, origin="0007", trial_id="0007-refit")
    ablation = Ablation(whole, steps, [kept, outcome("quantize", 0.98, 10_000)])
    text = sentences(replace(explained[0], model=model, ablation=ablation, quality="accuracy"))
    start = text.index(
        "It is the refit of trial 0007: trained again, longer, at the shape that it had."
    )
    assert text[start + 1 : start + 6] == [
        "The uncompressed parent, after train of trial 0007, had accuracy 0.9700, 30,000 bytes, "
        "latency 0.02 ms, in 4.0 s of computing.",
        "prune bought 20,000 bytes (a factor of 3.00) and 0.01 ms (a factor of 2.00) for 0.0700 "
        "accuracy; it took 0.5 s.",
        "the refit bought 0.0800 accuracy and cost nothing; it took 9.0 s.",
        "quantize bought 6,000 bytes (a factor of 2.50) for 0.005 accuracy; it took 0.2 s.",
        "In all, refitting trial 0007 bought 0.0850 accuracy and cost nothing.",
    ]
    assert any(one.startswith("Compression and refit changed") for one in text)


def test_the_models_beside_it_are_told_with_the_cost_of_moving_there(explained):
    found = explained[0]
    own = {"accuracy": 0.9, "size_bytes": 1000, "latency_ms": 0.01}
    names = list(own)
    better = Neighbour("accuracy", "0003", {**own, "accuracy": 0.95, "size_bytes": 1500}, names)
    smaller = Neighbour("size_bytes", "0004", {**own, "accuracy": 0.85, "size_bytes": 500}, names)
    same = replace(smaller, better="latency_ms")
    told = replace(found, model=replace(found.model, recorded=own), beside=[better, smaller, same])
    assert [one for one in sentences(told) if one.startswith("Beside it")] == [
        "Beside it on the front, trial 0003 is better in accuracy: a move there buys 0.0500 "
        "accuracy for 500 bytes (a factor of 1.50).",
        "Beside it on the front, trial 0004 is better in size_bytes: a move there buys 500 bytes "
        "(a factor of 2.00) for 0.0500 accuracy.",
    ]


def test_where_no_parameter_stands_out_pairs_of_trials_are_told(explained):
    figures = {"accuracy": 0.9, "size_bytes": 1000, "latency_ms": 0.01}
    pair = OneChoice(
        "recipe.quantize.weight_bits",
        ["0003", "0005"],
        [8, 4],
        [figures, {**figures, "accuracy": 0.88, "size_bytes": 600}],
        3,
    )
    few = replace(explained[0], parameters=Parameters(7, {}, {}, [pair]))
    text = sentences(few)
    place = text.index(
        "Which parameters matter is told from 20 complete trials on; the search has 7."
    )
    assert text[place + 1] == (
        "Trials 0003 and 0005 differ in quantize.weight_bits alone (the most of 3 such pairs): 4 "
        "in place of 8 bought 400 bytes (a factor of 1.67) and cost 0.0200 accuracy."
    )
    none = replace(few, parameters=Parameters(7, {}, {}))
    assert "No two of its trials differ in one choice alone." in sentences(none)


@pytest.fixture
def here(studied, monkeypatch, capsys):
    """The command in this process."""

    def run(*arguments):
        at = ("explain", "digits", "--home", str(studied.home.path), *arguments)
        monkeypatch.setattr(sys, "argv", ["automl", *at])
        code = 0
        try:
            main()
        except SystemExit as end:
            code = end.code
        return code, *capsys.readouterr()

    return run


def test_the_command(here, explained, studied, tmp_path):
    found = explained[0].as_json()
    page = tmp_path / "page.html"
    code, out, err = here("--json", "--html", str(page))
    assert code in (0, None), err
    (line,) = out.splitlines()
    again = json.loads(line)
    for key in ("importance", "interactions", "next"):
        assert again[key] == found[key]
    knee = selection.choose(studied.study, knee=True)
    assert (again["trial_id"], again["chosen"]) == (knee.trial_id, "the knee of the front")
    assert "has no run in MLflow" in err.splitlines()[-1]
    assert f"trial {knee.trial_id} explained" in page.read_text()


def test_the_command_explains_the_model_that_export_would_take(here, studied):
    code, out, err = here("--best", "size_bytes")
    assert code in (0, None), err
    # Several models may have as few bytes; the product takes the better one.
    chosen = selection.choose(studied.study, best="size_bytes")
    assert chosen.values["size_bytes"] == min(r.values["size_bytes"] for r in studied.members())
    assert f"Best in size_bytes: trial {chosen.trial_id}" in out
    assert "without" in out


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--knee", "--best", "accuracy"), "exclude one another"),
        (("--trial", "9999"), "has no complete trial '9999'"),
        (("--where", "size_bytes<=1"), "no model of the front meets"),
        (("--html", "nowhere/page.html"), "cannot write nowhere/page.html"),
    ],
)
def test_a_mistake_is_one_sentence(arguments, sentence, here, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, out, err = here(*arguments)
    assert (code, out) == (2, "")
    assert sentence in err.splitlines()[-1]


def test_the_page_is_put_on_the_searchs_run(studied, explained, tmp_path):
    folder = tmp_path / "made"
    folder.mkdir()
    (folder / "explain.html").write_text(explained[1])
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    client = mlflow.MlflowClient(uri)
    experiment = client.create_experiment("mine", artifact_location=(tmp_path / "kept").as_uri())
    run = client.create_run(experiment)
    before = studied.study.attribute("mlflow")
    try:
        studied.study.set_attribute("mlflow", asdict(SearchRun(uri, experiment, run.info.run_id)))
        assert publish.add_files(studied.study, folder) == ""
        (kept,) = client.list_artifacts(run.info.run_id)
        assert (kept.path, kept.file_size) == ("explain.html", len(explained[1].encode()))
        for away in ("http://127.0.0.1:1", f"sqlite:///{tmp_path}/gone/mlflow.db"):
            # MLflow remembers where the artifacts of a run are, whoever is asked.
            studied.study.set_attribute("mlflow", asdict(SearchRun(away, experiment, 32 * "0")))
            warning = publish.add_files(studied.study, folder)
            assert warning.startswith("explain.html is not on the search's page in MLflow (")
            assert len(warning.splitlines()) == 1
            assert not (tmp_path / "gone").exists()
    finally:
        studied.study.set_attribute("mlflow", before)


def test_a_trial_whose_files_were_dropped_is_made_again(studied, explained, record):
    store, keys = Store(studied.home.store), prefix_keys(studied.config(record))
    assert store.has(keys[0], PARENT_FILE)
    for key in keys:
        store.drop(key)
    found = studied.explain(trial=record.trial_id)
    assert found.model.is_same
    assert found.answers == explained[0].answers
