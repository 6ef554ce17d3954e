"""`automl explain` on a small study: what it says is what is there."""

import json
import sys

import mlflow
import pytest
from helpers.trials import drive

from automl.cli.app import main
from automl.explain import text as sentences
from automl.study import selection
from automl.tracking import publish
from automl.trial.prefixes import PARENT_FILE


@pytest.fixture
def record(studied, explained):
    found, _, _ = explained
    return selection.choose(studied.study, trial=found["trial_id"])


def test_the_model_made_again_is_what_was_recorded(explained, record):
    model = explained[0]["model"]
    assert (model["is_same"], model["difference"]) == (True, "")
    assert model["recorded"] == record.values
    for name in ("accuracy", "macro_f1", "size_bytes"):
        assert model["measured"][name] == record.values[name]


def test_each_technique_is_what_a_trial_without_it_gives(studied, explained, record, store):
    from automl.explain.ablation import techniques

    found, _, _ = explained
    without = {out["name"]: out for out in found["ablation"]["without"]}
    variants = techniques(studied.config(record))
    assert list(without) == list(variants) and variants
    for name, variant in variants.items():
        _, alone = drive(variant, store)
        out = without[name]
        assert (out["status"], out["reason"]) == (alone.status, alone.reason)
        if alone.measurement:
            assert out["figures"]["size_bytes"] == alone.measurement.size_bytes
            assert out["figures"]["accuracy"] == alone.measurement.quality["accuracy"]


def test_the_parts_of_it(studied, explained, record):
    found, _, said = explained
    assert json.loads(json.dumps(found)) == found
    assert found["num_complete"] >= 20
    assert set(found["importance"]) == set(found["interactions"]) == set(found["objectives"])
    paths = {one["path"] for own in found["importance"].values() for one in own}
    assert paths <= {path for one in studied.study.records() for path in one.params}
    assert found["sensitivity"]
    assert len(found["next"]) >= 3
    answers = found["answers"]
    assert sum(map(sum, answers["confusion"]["after"])) == answers["num_rows"]
    right = sum(answers["confusion"]["after"][i][i] for i in range(10))
    assert right / answers["num_rows"] == pytest.approx(record.values["accuracy"])
    assert any("measuring it without" in sentence for sentence in said)
    assert said[-1] == "digits has no run in MLflow to put explain.html on"


def test_the_findings_are_sentences_with_the_figures(explained, record):
    found, _, _ = explained
    text = "\n".join(found["findings"])
    assert f"trial {record.trial_id}" in text and f"{record.values['size_bytes']:,} bytes" in text
    for out in found["ablation"]["without"]:
        assert any(sentence.startswith(out["name"]) for sentence in found["findings"])
    assert "same quality and bytes exactly" in text
    assert "Next the search would" in text
    assert all(sentence.endswith(".") for sentence in found["findings"])


def test_a_model_that_is_not_what_was_recorded_is_told(explained):
    found, _, _ = explained
    model = {**found["model"], "is_same": False, "difference": "size_bytes 1 in place of 2"}
    text = "\n".join(sentences.told({**found, "model": model}))
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
def test_what_a_technique_bought_in_words(without, sentence, explained):
    found, _, _ = explained
    figures = dict(zip(("accuracy", "size_bytes"), without))
    out = {"name": "cut", "status": "complete", "reason": "", "figures": figures}
    model = {**found["model"], "measured": {"accuracy": 0.95, "size_bytes": 1000}}
    changed = {**found, "model": model, "ablation": {"course": [], "without": [out]}}
    assert any(one.startswith(sentence) for one in sentences.told(changed))


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
    found, _, _ = explained
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
    code, out, err = here("--best", "size_bytes")
    smallest = min(studied.front(), key=lambda record: record.values["size_bytes"])
    assert f"Best in size_bytes: trial {smallest.trial_id}" in out
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
    before = studied.study.attribute("mlflow", {})
    try:
        studied.study.set_attribute("mlflow", {"uri": uri, "run_id": run.info.run_id})
        assert publish.put(studied.study, folder) == ""
        (kept,) = client.list_artifacts(run.info.run_id)
        assert (kept.path, kept.file_size) == ("explain.html", len(explained[1].encode()))
        for away in ("http://127.0.0.1:1", f"sqlite:///{tmp_path}/gone/mlflow.db"):
            # MLflow remembers where the artifacts of a run are, whoever is asked.
            studied.study.set_attribute("mlflow", {"uri": away, "run_id": 32 * "0"})
            warning = publish.put(studied.study, folder)
            assert warning.startswith("explain.html is not on the search's page in MLflow (")
            assert len(warning.splitlines()) == 1
    finally:
        studied.study.set_attribute("mlflow", before)


def test_a_trial_whose_files_were_dropped_is_made_again(studied, explained, record):
    from automl.space.store_keys import prefix_keys
    from automl.store import Store

    store, keys = Store(studied.home.store), prefix_keys(studied.config(record))
    assert store.has(keys[0], PARENT_FILE)
    for key in keys:
        store.drop(key)
    found = studied.explain(trial=record.trial_id)
    assert found["model"]["is_same"]
    assert found["answers"] == explained[0]["answers"]
