"""Loader, `predict`, the folder's own program, the ONNX alone and torch agree on every row."""

import csv
import json
import re
import shutil

import numpy as np
import onnxruntime
import pandas
import pytest
import torch
from helpers.datasets import EXAMPLES, mixed_table, write_csv, write_npz
from helpers.exported import network_of, read, run_alone, write_export
from helpers.trials import load
from PIL import Image

import automl
from automl.data.image_folder import ImageFolder
from automl.data.npz import Npz
from automl.data.series import Series
from automl.data.table import Table
from automl.errors import UserError
from automl.export.named_columns import with_named_columns
from automl.models.deployed import Deployed, predict
from automl.predictor.rows import Unused

ROWS = {
    "FashionMNIST": "arrays.npy",
    "HuggingFace": "rows.txt",
    "ImageFolder": "images",
    "LinearMap": "arrays.npy",
    "MNIST": "pictures",
    "Npz": "a.npz",
    "Series": "waves.csv",
    "Sklearn": "numbers.csv",
    "Table": "table.csv",
    "Text": "reviews.csv",
    "Torchvision": "arrays.npy",
}
"""The file or folder with the rows of each example, in the form that a user has."""


def rows_of(kind, raw, folder):
    """The path of an example's rows; those that no loader reads from there are written first."""
    path = folder / ROWS[kind]
    if path.name == "arrays.npy":
        np.save(path, raw.inputs)
    elif path.name == "pictures":
        path.mkdir()
        for row, pixels in enumerate(raw.inputs):
            Image.fromarray(pixels).save(path / f"{row:03}.png")
    elif path.name == "numbers.csv":
        write_csv(path, ("a", "b", "c", "d"), raw.inputs.tolist())
    elif path.name == "rows.txt":
        path.write_text("".join(f"row {row}\n" for row in range(len(raw.inputs))))
    return path


def answers_of_torch(source, inputs):
    """The torch model's answers for raw rows, as the gate asks it."""
    deployed = Deployed(network_of(source), load(source).info)
    rows = torch.from_numpy(np.array(inputs))
    return predict(deployed, rows if load(source).info.num_tokens else rows.float()).numpy()


@pytest.mark.parametrize("kind", EXAMPLES)
def test_a_row_of_every_kind_is_read_and_answered_alike_everywhere(kind, tmp_path):
    source = EXAMPLES[kind](tmp_path)
    raw, out = source.load(), write_export(source, tmp_path / "out")
    path = rows_of(kind, raw, tmp_path)
    model = automl.load(out)
    inputs, strays = read(model, path)
    np.testing.assert_array_equal(inputs, raw.inputs)
    assert strays == []
    expected = answers_of_torch(source, raw.inputs)
    outputs = np.concatenate([a.outputs for a in model.answers(path, Unused())])
    np.testing.assert_allclose(outputs, expected, rtol=1e-4, atol=1e-5)
    alone = run_alone(out, path, *(["--proba"] if raw.classes else []))
    assert alone.returncode == 0, alone.stderr
    _, *lines = csv.reader(alone.stdout.splitlines())
    if raw.classes:
        assert [line[1] for line in lines] == [raw.classes[i] for i in outputs.argmax(1)]
        shares = np.array([line[2:] for line in lines], float)
        np.testing.assert_allclose(shares, model.predict_proba(path), rtol=1e-5)
    else:
        assert [line[1:] for line in lines] == outputs.astype(str).tolist()


def test_rows_of_pictures_need_not_have_the_size_and_colours_of_training(tmp_path):
    """The loader resizes and converts the same files to the same pixels."""
    rng = np.random.default_rng(0)
    for number, mode in enumerate(("RGB", "RGBA", "L", "P", "CMYK", "1") * 2):
        picture = Image.fromarray(rng.integers(0, 256, (9 + number, 12, 3), np.uint8)).convert(mode)
        (tmp_path / "images" / "ab"[number % 2]).mkdir(parents=True, exist_ok=True)
        name = f"{number}.{'jpg' if mode in ('RGB', 'CMYK') else 'png'}"
        picture.save(tmp_path / "images" / "ab"[number % 2] / name)
    source = ImageFolder(str(tmp_path / "images"), size=(6, 5))
    out = write_export(source, tmp_path / "out")
    inputs, _ = read(automl.load(out), tmp_path / "images")
    np.testing.assert_array_equal(inputs, source.load().inputs)
    files = sorted((tmp_path / "images").rglob("*.*"))
    opened = [Image.open(file) for file in files]
    model = automl.load(out)
    assert model.predict(opened).tolist() == model.predict(files).tolist()
    lines = [json.loads(line) for line in jsonl_of(out, tmp_path, files[:2])]
    assert [line["row"] for line in lines] == [str(file) for file in files[:2]]


@pytest.mark.parametrize("kind", ["zip", "tar", "gztar"])
def test_an_archive_of_pictures_is_answered_as_its_folder(kind, tmp_path):
    out = write_export(EXAMPLES["ImageFolder"](tmp_path), tmp_path / "out")
    archive = shutil.make_archive(str(tmp_path / "packed"), kind, tmp_path, "images")
    folder, model = tmp_path / "images", automl.load(out)
    assert model.predict(archive).tolist() == model.predict(folder).tolist()
    both = [json.loads(line)["row"] for line in jsonl_of(out, tmp_path, [archive, folder])]
    inside = [str(file.relative_to(folder)) for file in sorted(folder.rglob("*.*"))]
    assert both == [f"{place}/{file}" for place in (archive, folder) for file in inside]


def test_a_file_of_an_archive_that_does_not_decode_is_named_in_it(tmp_path):
    out = write_export(EXAMPLES["ImageFolder"](tmp_path), tmp_path / "out")
    (tmp_path / "images" / "a" / "broken.png").write_text("x")
    archive = shutil.make_archive(str(tmp_path / "packed"), "zip", tmp_path, "images")
    done = run_alone(out, archive)
    assert done.returncode == 2
    assert f"error: {archive}/a/broken.png does not decode" in done.stderr
    (tmp_path / "cut.zip").write_bytes((tmp_path / "packed.zip").read_bytes()[:200])
    with pytest.raises(UserError, match=r"cut.zip cannot be unpacked .*; make it again"):
        automl.load(out).predict(tmp_path / "cut.zip")


def jsonl_of(out, folder, rows):
    done = run_alone(out, *rows, "--out", folder / "answers.jsonl")
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    return (folder / "answers.jsonl").read_text().splitlines()


def test_rows_and_answers_that_are_no_numbers_are_refused(tmp_path):
    model = automl.load(write_export(EXAMPLES["ImageFolder"](tmp_path), tmp_path / "out"))
    pictures = np.zeros((3, 3, 8, 8), np.float32)
    pictures[1, 0, 0, 0] = np.nan
    with pytest.raises(UserError, match="row 1 holds a value that is not finite; correct or leave"):
        model.predict(pictures)
    # The greatest numbers that a row may hold overflow in the network.
    inputs = np.arange(40).reshape(20, 2) / 1000
    source = Npz(write_npz(tmp_path / "a.npz", inputs=inputs, targets=np.arange(20) % 2))
    out = write_export(source, tmp_path / "numbers")
    np.save(tmp_path / "far.npy", np.array([[1, 2], [-3.4e38, -3.4e38], [3.4e38, 3.4e38]]))
    sentence = "the model's answer to row [12] is not finite, so far are its values from those of"
    with pytest.raises(UserError, match=sentence):
        automl.load(out).predict(tmp_path / "far.npy")
    done = run_alone(out, tmp_path / "far.npy")
    assert (done.returncode, done.stdout) == (2, "")
    assert re.search(sentence, done.stderr)


def test_rows_of_a_table_agree_with_strings_missing_values_and_an_unseen_category(tmp_path):
    """Figures come from the rows of the loader; an unseen category is a missing one."""
    source = mixed_table(tmp_path / "table.csv")
    out = write_export(source, tmp_path / "out")
    model, loaded = automl.load(out), onnxruntime.InferenceSession(out / "model.onnx")
    rows = [
        {"width": 1.5, "colour": "red", "age": 3},
        {"width": None, "colour": "blue", "age": "NA"},
        {"width": "2.5", "colour": "green", "age": ""},
        {"width": 2, "colour": None, "age": 1e3},
    ]
    raw = [[1.5, 1, 3], [np.nan, 0, np.nan], [2.5, np.nan, np.nan], [2, np.nan, 1e3]]
    encoded = np.array(raw, np.float32)
    with pytest.warns(UserWarning, match="'colour' holds no known category in 1 row, .*'green'"):
        predicted = model.predict(rows)
    (logits,) = loaded.run(None, {"input": encoded})
    torch_logits = answers_of_torch(source, encoded)
    np.testing.assert_allclose(logits, torch_logits, rtol=1e-4, atol=1e-5)
    by_name = {
        "width": np.array([1.5, np.nan, 2.5, 2], np.float32),
        "colour": np.array(["red", "blue", "green", ""], object),
        "age": np.array([3, np.nan, np.nan, 1e3], np.float32),
    }
    file = with_named_columns((out / "model.onnx").read_bytes(), model.form.columns)
    (named_logits,) = onnxruntime.InferenceSession(file).run(None, by_name)
    np.testing.assert_allclose(named_logits, logits, rtol=1e-6)
    names = [model.classes[i] for i in torch_logits.argmax(1)]
    assert predicted.tolist() == names
    path = write_csv(tmp_path / "rows.csv", ("age", "colour", "width"), [])
    with open(path, "a", newline="") as file:
        csv.writer(file).writerows((row["age"], row["colour"], row["width"]) for row in rows)
    done = run_alone(out, path)
    assert [line[1] for line in csv.reader(done.stdout.splitlines())][1:] == names
    assert "note: column 'colour' holds no known category in 1 row, such as 'green'" in done.stderr


def test_empty_columns_behind_the_last_name_do_not_matter(tmp_path):
    lines = [f"{row},{'xyz'[row % 3]},{'ab'[row % 2]},," for row in range(20)]
    (tmp_path / "a.csv").write_text("\n".join(["num,cat,label,,", *lines]) + "\n")
    source = Table(str(tmp_path / "a.csv"), "label")
    model = automl.load(write_export(source, tmp_path / "out"))
    np.testing.assert_array_equal(read(model, tmp_path / "a.csv")[0], source.load().inputs)


def test_series_of_several_channels_are_read_with_and_without_labels(tmp_path):
    rng = np.random.default_rng(0)
    series = rng.normal(size=(20, 2, 4)).round(3)
    lines = [":".join(",".join(map(str, channel)) for channel in row) for row in series]
    header = "@problemName waves\n@classLabel true a b\n@data\n"
    (tmp_path / "a.ts").write_text(
        header + "".join(f"{x}:{'ab'[i % 2]}\n" for i, x in enumerate(lines))
    )
    (tmp_path / "b.ts").write_text(header + "".join(f"{x}\n" for x in lines))
    source = Series(str(tmp_path / "a.ts"))
    model = automl.load(write_export(source, tmp_path / "out"))
    for rows in (tmp_path / "a.ts", tmp_path / "b.ts", series, series.tolist()):
        np.testing.assert_array_equal(read(model, rows)[0], source.load().inputs)


@pytest.mark.parametrize("kind", ["Series", "Sklearn"])
def test_the_header_that_pandas_writes_for_an_array_is_no_row(kind, tmp_path):
    source = EXAMPLES[kind](tmp_path)
    rows = source.load().inputs.reshape(len(source.load().inputs), -1)
    model = automl.load(write_export(source, tmp_path / "out"))
    frame = pandas.DataFrame(rows)
    frame.to_csv(tmp_path / "a.csv", index=False)
    files = [tmp_path / "a.csv"]
    if kind == "Series":
        # The label is a column with a name, one of the array, or the rows' numbers.
        frame.to_csv(tmp_path / "b.csv")
        frame.assign(kind="x")[["kind", *frame]].to_csv(tmp_path / "c.csv", index=False)
        pandas.DataFrame(np.hstack([np.ones((20, 1)), rows])).to_csv(
            tmp_path / "d.csv", index=False
        )
        files += [tmp_path / f"{name}.csv" for name in "bcd"]
    for file in files:
        np.testing.assert_allclose(read(model, file)[0].reshape(rows.shape), rows, rtol=1e-6)


def test_series_with_more_than_the_model_takes_are_refused(tmp_path):
    model = automl.load(write_export(EXAMPLES["Series"](tmp_path), tmp_path / "out"))
    eight, other = "1,2,3,4,5,6,7,8", "9,8,7,6,5,4,3,2"

    def told(name, text, sentence):
        (tmp_path / name).write_text(text)
        with pytest.raises(UserError, match=sentence):
            model.predict(tmp_path / name)

    header = "@classLabel true 0 1\n@data\n"
    two = "line 3 of .*a.ts has 2 x 8 numbers; give 1 x 8"
    told("a.ts", f"{header}{eight}:{other}:1\n", "line 3 of .*a.ts has 3 x 1 or 8 numbers; give 1")
    told("a.ts", f"{header}{eight}:{other}\n", two)
    told("a.csv", f"0.5,{eight}\n", "line 1 of .*a.csv has 1 x 9 numbers; give 1 x 8")
    told("a.csv", f"1,{eight}\n0.5,{eight}\n", "line 2 of .*a.csv has 1 x 9 numbers; give 1 x 8")
    mixed = "line 2 of .*a.csv has {}, other than the lines above; make them alike"
    told("a.csv", f"{eight}\n1,{eight}\n", mixed.format("a label before its steps"))
    told("a.csv", f"a,{eight}\n{eight}\n", mixed.format("no label"))
