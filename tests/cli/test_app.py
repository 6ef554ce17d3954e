"""Mistakes: exit code 2, one sentence, and nothing left behind."""

import subprocess
import sys
from importlib.metadata import version

import pytest
from helpers.command import refused

GOOD = """
from automl import Sklearn
from automl import MLP
from automl import Float, Int, Space, TrialConfig
from automl import Train
"""
CLUSTER = ("--address", "http://127.0.0.1:1", "--home", "/shared")
SPACE = 'space = Space(TrialConfig(Sklearn("digits"), MLP((16,)), {recipe}){more})'


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("raise OSError('no such disk')", "bad.py, line 6: OSError: no such disk"),
        ("space = 3", "bad.py builds 0 Space objects"),
        (SPACE.format(recipe="(Train(),)", more=', ("speed",)'), "unknown objective 'speed'"),
        ("width = Int(64, 8)", "line 6: Int(64, 8): low is above high"),
        (
            SPACE.format(recipe="(Train(), Train())", more=""),
            "two steps of the recipe are labelled",
        ),
    ],
)
def test_a_bad_space_file_is_one_sentence_and_leaves_nothing(text, sentence, tmp_path, here):
    (tmp_path / "bad.py").write_text(GOOD + text)
    refused(here("search", "bad.py", "--trials", 1), sentence)
    assert [path.name for path in tmp_path.iterdir()] == ["bad.py"]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("search", "nowhere.py"), "there is no space file nowhere.py"),
        (("search", "digits", "--target", "y"), "--target is for data, and"),
        (("search", "digits", "--trails", 3), "unknown option --trails; did you mean --trials?"),
        (("serch", "digits"), "No such command 'serch'. Did you mean 'search', 'serve'?"),
        (("search",), "Missing argument 'SPACE|DATA' (automl search --help tells more)"),
        (("search", "digits", "--trials"), "Option '--trials' requires an argument"),
        (("submit", "digits"), "submit needs --address, the dashboard of the cluster's head"),
        (("submit", "digits", "--address", "x"), "submit needs --home, a folder for all searches"),
        (("init", "digits"), "digits is no file or folder of data"),
        (("init", "nowhere.csv"), "nowhere.csv is no file or folder of data"),
        (("search", "digits", "--trials", 0), "--trials 0: it should be at least 1"),
        (("search", "digits", "--minutes", -1), "--minutes -1.0: it should be greater than 0"),
        (
            ("search", "digits", "--gpu-hours", "nan"),
            "--gpu-hours nan: it should be a finite number",
        ),
        (("search", "digits", "--gpu-hours", 2), "give --gpus-per-trial too"),
        (("search", "digits", "--patience", 0), "--patience 0: it should be at least 1"),
        (("search", "digits", "--set", "model"), "write PATH=VALUE"),
        (("search", "digits", "--set", "recipe.train.epoch=3"), "did you mean"),
        (("search", "digits", "--sampler", "tpee"), "did you mean 'tpe'"),
        (("search", "digits", "--warm-start", "nobody"), "has no search"),
        (
            ("search", "digits", "--initial-points", "no.json"),
            "--initial-points no.json cannot be read: [Errno 2]",
        ),
        (("search", "digits", "--name", "a/b"), "cannot name a search"),
        (("search", "digits", "--parallelism", "Magic"), "unknown parallelism 'Magic'"),
        (("search", "digits", "--concurrency", 0), "--concurrency 0: it should be at least 1"),
        (("search", "digits", "--tracking-uri", "file:./runs"), "neither an http(s) address"),
        (
            ("submit", "digits", *CLUSTER, "--initial-points", "no.json"),
            "--initial-points no.json is no file",
        ),
        (("submit", "digits", *CLUSTER, "--trials", 0), "--trials 0: it should be at least 1"),
        (("submit", "digits", *CLUSTER, "--until", "acuracy>=0.9"), "did you mean 'accuracy'"),
        (("submit", "digits", *CLUSTER, "--until", "accuracy>=97%"), "or accuracy>=0.97"),
        (("submit", "digits", *CLUSTER, "--set", "model"), "write PATH=VALUE"),
        (("check", "digitz"), "did you mean 'digits'"),
        (("front", "nobody"), "has no search"),
        (("resume", "nobody"), "has no search"),
        (("export", "nobody", "--out", "out"), "has no search"),
        (("measure", "no.onnx"), "there is no file no.onnx"),
    ],
)
def test_a_mistake_is_one_sentence_and_leaves_nothing(arguments, sentence, tmp_path, here):
    refused(here(*arguments), sentence)
    assert not list(tmp_path.glob("automl-home/studies/*"))


def test_a_taken_name_and_a_wish_that_no_model_meets(searched, here):
    at = ("--home", searched.home.path)
    refused(here("search", "digits", "--name", "digits", *at), "automl resume digits")
    refused(here("resume", "digits", *at), "--trials 12")
    refused(here("front", "digit", *at), "did you mean 'digits'")
    refused(here("search", "digits", "--warm-start", "digit", *at), "did you mean 'digits'")
    refused(here("search", "tabular", "--warm-start", "digits", *at), "the same objectives")
    few = ("--set", "model=MLP", "--set", "model.MLP.widths=[8]")
    refused(here("search", "digits", "--warm-start", "digits", *few, *at), "could be one of this")
    refused(here("export", "digits", "--where", "size_bytes<=1", "--out", "o", *at), "nearest is")
    both = ("--knee", "--best", "accuracy", "--out", "o")
    refused(here("export", "digits", *both, *at), "--best and --knee exclude one another")
    vague = ("--prefer", "accuracy within a bit", "--out", "o")
    refused(
        here("export", "digits", *vague, *at), "at character 17 'a bit' stands in place of a number"
    )


def test_a_folder_that_was_deleted(tmp_path):
    run = 'cd "$1" && rmdir "$1" && exec "$2" -c "from automl.cli.app import main; main()" list'
    folder = tmp_path / "gone"
    folder.mkdir()
    command = ["sh", "-c", run, "sh", str(folder), sys.executable]
    refused(subprocess.run(command, capture_output=True, text=True), "current folder cannot be")


@pytest.mark.parametrize("command", ["search", "check"])
@pytest.mark.parametrize(
    ("home", "sentence"),
    [
        ("file/home", "cannot write to the home"),
        ("which?/home", "has a question mark"),
        ("a%20b", "%20 in its path"),
    ],
)
def test_a_home_that_cannot_be_one(command, home, sentence, here, tmp_path):
    (tmp_path / "file").write_text("")
    refused(here(command, "digits", "--home", home), sentence)


@pytest.mark.parametrize(
    ("option", "sentence"),
    [
        (("--tracking-uri", "http://127.0.0.1:1"), "no MLflow server answers"),
        (("--address", "127.0.0.1:1"), "no Ray cluster answers"),
    ],
)
def test_a_server_that_does_not_answer_is_told(option, sentence, tmp_path, here):
    refused(here("search", "digits", *option), sentence)
    assert not list(tmp_path.glob("automl-home/studies/*"))


def test_the_version_is_told(here):
    assert here("--version").stdout == f"automl {version('frontier-automl')}\n"


def test_no_command_shows_the_help(here):
    done = here()
    assert "Usage: automl" in done.stdout
    assert "error" not in done.stderr
