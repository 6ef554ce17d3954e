"""Spaces written for data of one's own: texts for people, that load and fit the data."""

import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from automl.data import dataset
from automl.data.npz import Npz
from automl.engine import presets, space_source
from automl.engine.search_options import Options
from automl.engine.space_text import Shape, config
from automl.engine.wishes import OwnData
from automl.errors import UserError
from automl.home import Home
from automl.space import space_file
from automl.space.domains import Int
from automl.space.exploring import validate
from automl.space.space import Space, TrialConfig
from automl.trial.reference_model import largest


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with a table, a set of texts, series, and pictures."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    rows = [
        f"{i % 7},{'abc'[i % 3]},{i % 3 * 1.5 + i % 5},{'no' if i % 5 else 'yes'}"
        for i in range(60)
    ]
    (tmp_path / "table.csv").write_text("\n".join(["size,plan,price,left", *rows]))
    rows = [f'"{"good" if i % 2 else "bad"} film number {i} of all",{i % 2}' for i in range(40)]
    (tmp_path / "texts.csv").write_text("\n".join(["text,label", *rows]))
    arrays = {"inputs": rng.normal(size=(40, 2, 16)), "targets": np.arange(40) % 4}
    np.savez(tmp_path / "series.npz", **arrays)
    for label in ("cats", "dogs"):
        (tmp_path / "pictures" / label).mkdir(parents=True)
        for i in range(12):
            picture = Image.new("RGB", (16 + i, 20), (9 * i, 0, 0))
            picture.save(tmp_path / "pictures" / label / f"{i}.png")
    return tmp_path


DATA = {
    "table.csv": OwnData("left"),
    "texts.csv": OwnData(),
    "series.npz": OwnData(),
    "pictures": OwnData(),
}


def space_of(name, wishes, folder):
    source = space_source.source(name, wishes, Home(folder / "home"))
    return source, space_file.load(source.text)


@pytest.mark.parametrize("word", presets.PRESETS)
@pytest.mark.parametrize("name", DATA)
def test_each_preset_writes_a_space_that_fits_each_kind_of_data(name, word, folder):
    wishes = OwnData(DATA[name].target, preset=word)
    source, space = space_of(name, wishes, folder)
    explored = validate(space)
    assert space.objectives[1:] == presets.PRESETS[word].file_figures
    assert f"preset: {word}" in source.text
    if word == "balanced":
        found = largest(space, explored, folder / "home" / "cache")
        assert found.objectives(("quality", *space.objectives[1:])) == space.objectives


@pytest.mark.parametrize("name", DATA)
def test_the_text_is_laid_out_as_people_lay_it_out(name, folder):
    source, _ = space_of(name, DATA[name], folder)
    (folder / "space.py").write_text(source.text)
    for command in (["format", "--check", "--diff"], ["check", "--select", "E,F,I,UP,RUF"]):
        ruff = [sys.executable, "-m", "ruff", *command, "--line-length", "100", "space.py"]
        done = subprocess.run(ruff, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout


def test_the_text_tells_what_was_found(folder):
    source, space = space_of("table.csv", OwnData("left"), folder)
    for line in source.told:
        assert " ".join(line.split()) in " ".join(source.text.split())
    told = "\n".join(source.told)
    assert "target left: 2 classes (classification), no (48), yes (12)" in told
    assert "roc_auc, size_bytes, latency_ms (two uneven classes" in told
    assert space.trial.dataset.target == "left"
    assert source.name == "table"


def test_volumes_are_refused_with_what_takes_them(folder):
    np.savez("volumes.npz", inputs=np.zeros((40, 1, 4, 4, 4)), targets=np.arange(40) % 4)
    with pytest.raises(UserError, match=r"no space .* of shape \(1, 4, 4, 4\); write one"):
        space_of("volumes.npz", OwnData(), folder)


def test_names_in_the_data_end_no_text(folder):
    rows = [f"{i % 7},{'x' if i % 2 else 'y'}" for i in range(30)]
    (folder / "odd.csv").write_text("\n".join(['"a""""""\\N{x}",y', *rows]))
    source, space = space_of("odd.csv", OwnData(), folder)
    assert len(validate(space).domains) > 3
    assert "preset: balanced" in source.text


@pytest.mark.parametrize(
    ("counts", "is_uneven"), [((), False), ((50, 50), False), ((80, 20), True), ((9, 9, 1), True)]
)
def test_uneven_classes_ask_for_a_balanced_loss(counts, is_uneven):
    assert Shape("table", 100, counts, 3).is_uneven() == is_uneven


def test_trainings_are_as_long_as_their_rows_ask():
    shapes = [Shape("table", rows, (), 3) for rows in (60, 600, 6_000, 60_000, 6_000_000)]
    epochs = [shape.epochs(presets.PRESETS["balanced"]) for shape in shapes]
    assert epochs == sorted(epochs, reverse=True)
    assert (epochs[0], epochs[-1]) == (60, 10)
    assert [shape.batch() for shape in shapes] == [16, 16, 64, 128, 512]


def test_a_folder_with_the_home_inside_is_no_data(folder):
    with pytest.raises(UserError, match=r"\. is a folder with the home .*; give a --home outside"):
        space_of(".", OwnData(), folder)
    assert not (folder / "home").exists()


def test_a_regression_of_arrays_has_its_objective(folder):
    np.savez("my.npz", inputs=np.random.rand(40, 5), targets=np.random.rand(40))
    _, space = space_of("my.npz", OwnData(), folder)
    assert space.objectives[0] == "rmse"
    assert space.trial.dataset == Npz("my.npz")


def test_a_preset_is_a_budget_where_none_is_given():
    assert presets.with_budget(Options(), "fast").minutes == 5
    assert presets.with_budget(Options(), None).minutes == presets.PRESETS["balanced"].minutes
    assert presets.with_budget(Options(trials=3), "fast") == Options(trials=3)
    assert presets.with_budget(Options(minutes=1.0), "best") == Options(minutes=1.0)
    with pytest.raises(UserError, match="unknown preset 'quick'"):
        presets.preset("quick")


def test_budgets_that_leave_no_room_are_one_sentence():
    with pytest.raises(UserError, match=r"^--preset fast is --minutes 5: --refit-minutes 9 leave"):
        presets.with_budget(Options(refit_minutes=9.0), "fast")


def test_presets_grow_from_fast_to_best():
    fast, balanced, best = (presets.PRESETS[word] for word in ("fast", "balanced", "best"))
    for less, more in ((fast, balanced), (balanced, best)):
        assert less.minutes < more.minutes
        assert less.training < more.training
        assert less.widest < more.widest


def test_a_space_takes_no_wishes_for_data(folder):
    with pytest.raises(UserError, match=r"^--target is for data, and .*digits.py is a space"):
        space_of("digits", OwnData("y"), folder)
    with pytest.raises(UserError, match="unknown task 'guess'"):
        space_of("table.csv", OwnData("left", "guess"), folder)


def test_a_search_is_named_after_its_data(folder):
    (folder / "my photos").mkdir()
    (folder / "x.tar.gz").write_text("")
    (folder / "täble.csv").write_text("")
    names = ("table.csv", "my photos", "x.tar.gz", "täble.csv", "pictures/")
    found = [space_source.name_of(folder / name) for name in names]
    assert found == ["table", "my-photos", "x", "t-ble", "pictures"]


def test_a_space_object_is_a_source(folder):
    from automl.data.sklearn import Sklearn
    from automl.models.mlp import MLP
    from automl.training.loop import Train

    space = Space(TrialConfig(Sklearn("digits"), MLP((Int(8, 16),)), (Train(),)))
    source, loaded = space_of(space, OwnData(), folder)
    assert (source.name, loaded.trial) == ("space", space.trial)


def test_a_config_is_written_without_its_defaults():
    found = config(Npz("a'b\\.npz", shape=(3,)))
    assert found == 'Npz(\n    path="a\'b\\\\.npz",\n    shape=(3,),\n)'
    assert eval(found, {"Npz": Npz}) == Npz("a'b\\.npz", (3,))  # noqa: S307


def test_the_rows_are_read_once_for_the_space_and_the_search(folder):
    _, space = space_of("table.csv", OwnData("left"), folder)
    cache = folder / "home" / "cache"
    before = {path for path in cache.iterdir() if path.is_dir()}
    (one, *_) = validate(space).configs
    dataset.load(one.dataset, one.seed, cache)
    assert {path for path in cache.iterdir() if path.is_dir()} == before
    assert len(before) == 1
