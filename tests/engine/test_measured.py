"""Files of the user's through the same eyes as a search's: on data, and beside a front."""

import json

import numpy as np
import onnx
import pytest
from helpers.datasets import mixed_table, write_csv, write_npz
from helpers.graphs import file_of, node, ones
from helpers.trials import study_of
from onnx import TensorProto
from PIL import Image
from sklearn.datasets import load_wine

from automl.engine import measured
from automl.engine.wishes import OwnData
from automl.errors import UserError
from automl.measure.latency import Reference
from automl.runtimes.onnx import OnnxRuntime
from automl.tracking.pages.files import front_with

WINE = """
from automl import MLP, Sklearn, Space, Train, TrialConfig

space = Space(TrialConfig(Sklearn("wine"), MLP((8,)), (Train(epochs=2),)))
"""
TABLE = """
from automl import MLP, Space, Table, Train, TrialConfig

table = Table("table.csv", "bought")
space = Space(TrialConfig(table, MLP((8,)), (Train(epochs=1),)), ("accuracy", "size_bytes"))
"""


@pytest.fixture(scope="module")
def wine(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wine")
    (folder / "wine.py").write_text(WINE)
    return study_of(str(folder / "wine.py"), 1, {}, folder / "home")


def guess(folder, features=13, classes=3):
    """A file that always answers with the first class."""
    weight = np.zeros((features, classes), np.float32)
    bias = np.eye(classes, dtype=np.float32)[0]
    nodes = [node("MatMul", "x w", "m"), node("Add", "m b", "y")]
    path = folder / "guess.onnx"
    path.write_bytes(file_of(nodes, {"x": ("batch", features)}, ["y"], w=weight, b=bias))
    return path


def wine_csv(folder):
    data = load_wine()
    lines = [",".join([*map(str, row), f"kind{target}"]) for row, target in zip(*data_of(data))]
    head = ",".join([*(f"c{i}" for i in range(13)), "kind"])
    (folder / "wine.csv").write_text("\n".join([head, *lines]) + "\n")
    return str(folder / "wine.csv")


def data_of(bunch):
    return bunch.data.tolist(), bunch.target.tolist()


def test_a_file_is_measured_on_every_row_of_some_data(tmp_path):
    found = measured.on_data([guess(tmp_path)], wine_csv(tmp_path), OwnData(target="kind"))
    figures = found.files[str(tmp_path / "guess.onnx")].figures
    assert found.num_rows == 178
    assert figures["accuracy"] == 59 / 178
    assert figures["size_bytes"] == (tmp_path / "guess.onnx").stat().st_size
    assert figures["latency_ms"] > 0
    assert json.loads(json.dumps(found.as_json()))["rows"].startswith("all rows of")


def test_a_model_of_a_search_has_the_same_quality_beside_its_front(wine, tmp_path):
    (member,) = wine.members()
    wine.export(tmp_path / "out")
    files = [tmp_path / "out" / "model.onnx", guess(tmp_path)]
    found = measured.beside_front(files, wine)
    own, other = found.files.values()
    assert own.quality == member.measurement.quality
    assert own.sha256 == member.measurement.sha256
    assert set(found.beaten_by) == {str(file) for file in files}
    assert found.beaten_by[str(files[0])] == ""
    assert other.quality["accuracy"] < own.quality["accuracy"]
    picture = front_with(wine.study, {name: one.figures for name, one in found.files.items()})
    legend = picture.axes[0].get_legend().get_texts()
    assert str(files[1]) in [text.get_text() for text in legend]


@pytest.mark.parametrize(
    ("features", "classes", "sentence"),
    [
        (12, 3, r"takes rows of shape \(12,\), and those of .* have \(13,\)"),
        (13, 4, r"answers a row with an array of shape \(4,\), and .* has 3 classes"),
    ],
)
def test_a_file_of_other_rows_or_classes_is_refused_in_a_sentence(
    features, classes, sentence, wine, tmp_path
):
    file = guess(tmp_path, features, classes)
    with pytest.raises(UserError, match=sentence):
        measured.beside_front([file], wine)
    with pytest.raises(UserError, match=sentence):
        measured.on_data([file], wine_csv(tmp_path), OwnData(target="kind"))


def test_a_table_whose_categories_are_numbered_otherwise_is_answered_alike(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    mixed_table(tmp_path / "table.csv")
    (tmp_path / "table.py").write_text(TABLE)
    study_of("table.py", 1, {}, tmp_path / "home").export(tmp_path / "out")
    head, *lines = (tmp_path / "table.csv").read_text().splitlines()
    columns = [line.split(",") for line in (head, *lines[::-1])]
    turned = "\n".join(",".join(cells[::-1]) for cells in columns) + "\n"
    (tmp_path / "turned.csv").write_text(turned)
    file, wishes = tmp_path / "out" / "model.onnx", OwnData(target="bought")
    first, second = (
        measured.on_data([file], str(tmp_path / name), wishes).files[str(file)]
        for name in ("table.csv", "turned.csv")
    )
    assert first.quality == pytest.approx(second.quality)
    without = "\n".join(",".join(cells[1:]) for cells in columns) + "\n"
    (tmp_path / "without.csv").write_text(without)
    with pytest.raises(UserError, match="unknown column"):
        measured.on_data([file], str(tmp_path / "without.csv"), wishes)


def test_the_front_is_compared_on_the_runtimes_that_are_here(wine, tmp_path, monkeypatch):
    usual = next(iter(wine.study.timed_beside.values()))
    away = Reference(usual.file, 5.0, 9.0, OnnxRuntime("CoreML"))
    for beside in ({"onnxruntime": usual, "coreml": away}, {"coreml": away}):
        monkeypatch.setattr(type(wine.study), "timed_beside", beside)
        found = measured.beside_front([guess(tmp_path)], wine)
        (own,) = found.files.values()
        assert own.latency_ms < 1 and own.further == {}
        (told,) = [note for note in found.notes if "no provider CoreML" in note]
    assert told.endswith("latency_ms and load_ms are of one thread here, unlike the search's")


def test_rows_lie_in_the_shape_that_a_file_takes(tmp_path):
    nodes = [node("Flatten", "x", "f"), node("MatMul", "f w", "y")]
    path = tmp_path / "model.onnx"
    path.write_bytes(file_of(nodes, {"x": ("batch", 1, 13)}, ["y"], w=ones(13, 3)))
    assert measured.on_data([path], wine_csv(tmp_path), OwnData(target="kind")).num_rows == 178


def mentions(path, number, length):
    """A file that answers yes to a text of so many numbers at most that has this one among them."""
    nodes = [
        node("Equal", "x number", "found"),
        node("Cast", "found", "float", to=TensorProto.FLOAT),
        node("ReduceMax", "float axis", "most", keepdims=1),
        node("Sub", "half most", "no"),
        node("Neg", "no", "yes"),
        node("Concat", "no yes", "y", axis=1),
    ]
    held = {"number": [[number]], "axis": [1], "half": np.float32([[0.5]])}
    kind = TensorProto.INT64
    path.write_bytes(file_of(nodes, {"x": ("batch", length)}, ["y"], kind, **held))
    return path


def texts_csv(folder):
    """Texts, a few of them longer than 64 bytes, and a Z at the end of each that is a yes."""
    rows = [
        (
            f"{'a long text ' * (7 if row % 25 == 1 else 2)} {row} {'Z' * (row % 2)}",
            ("no", "yes")[row % 2],
        )
        for row in range(100)
    ]
    write_csv(folder / "texts.csv", ("text", "label"), rows)
    return str(folder / "texts.csv")


def accuracy(file, data, target=None):
    found = measured.on_data([file], data, OwnData(target=target))
    return found.files[str(file)].quality["accuracy"]


def test_texts_are_as_long_as_each_file_takes_them(tmp_path):
    data = texts_csv(tmp_path)
    long, short = (mentions(tmp_path / f"{n}.onnx", ord("Z"), n) for n in (128, 64))
    found = measured.on_data([long, short], data, OwnData())
    assert [one.quality["accuracy"] for one in found.files.values()] == [1, 0.98]


def test_texts_are_read_by_the_tokenizer_beside_a_file(tmp_path):
    tokenizers = pytest.importorskip("tokenizers")
    words = {"[PAD]": 0, "[UNK]": 1, "Z": 2}
    made = tokenizers.Tokenizer(tokenizers.models.WordLevel(words, unk_token="[UNK]"))
    made.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    (tmp_path / "own").mkdir()
    made.save(str(tmp_path / "own" / "tokenizer.json"))
    ids = mentions(tmp_path / "own" / "model.onnx", 2, 64)
    letters = mentions(tmp_path / "model.onnx", ord("Z"), 128)
    found = measured.on_data([ids, letters], texts_csv(tmp_path), OwnData())
    assert [one.quality["accuracy"] for one in found.files.values()] == [1, 1]
    assert found.notes == (f"texts are read by {tmp_path}/own/tokenizer.json",)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"targets": np.arange(20) % 2 - 1}, r"a\.npz: row 0 .* has the label -1, outside 0 to 1"),
        ({"targets": np.arange(20) % 3}, r"a\.npz: row 2 .* has the label 2, outside 0 to 1"),
        ({"inputs": np.full((20, 13), np.nan)}, r"a\.npz: row 0 .* not finite among its inputs"),
        ({"classes": ["a", "a"]}, r"a\.npz: it names the class 'a' twice"),
    ],
)
def test_rows_that_cannot_be_true_are_told(change, sentence, tmp_path):
    arrays = {"inputs": np.ones((20, 13)), "targets": np.arange(20) % 2, "classes": ["a", "b"]}
    data = write_npz(tmp_path / "a.npz", **{**arrays, **change})
    with pytest.raises(UserError, match=sentence):
        measured.on_data([guess(tmp_path, classes=2)], data, OwnData())


def test_few_rows_of_a_class_are_enough_to_be_measured_on(tmp_path):
    data = write_npz(tmp_path / "a.npz", inputs=np.ones((4, 13)), targets=np.array([0, 1, 1, 1]))
    assert accuracy(guess(tmp_path, classes=2), data) == 0.25


def by_sign(path, outputs=2, **metadata):
    """A file of two columns that answers by the sign of the first: with logits, or with it alone;
    what is missing counts as 0."""
    nodes = [
        node("IsNaN", "x", "missing"),
        node("Where", "missing zero x", "known"),
        node("MatMul", "known w", "y"),
    ]
    w = [[-1, 1, 0], [0, 0, -99]] if outputs == 3 else [[-1, 1], [0, 0]]
    held = {"zero": np.float32(0), "w": np.float32(w if outputs > 1 else [[1], [0]])}
    made = onnx.load_from_string(file_of(nodes, {"x": ("batch", 2)}, ["y"], **held))
    for name, value in metadata.items():
        made.metadata_props.add(key=name, value=json.dumps(value))
    path.write_bytes(made.SerializeToString())
    return path


def signs_csv(folder, flags, targets, more=()):
    """A number, a flag and a target in each row; the number is negative in every second."""
    names = ("a", "flag", *(f"more{place}" for place in range(len(more))), "target")
    rows = [
        ((row + 1.5) * (-1) ** (row + 1), flags[row % len(flags)], *more, targets[row % 2])
        for row in range(40)
    ]
    write_csv(folder / "rows.csv", names, rows)
    return str(folder / "rows.csv")


@pytest.mark.parametrize("flags", [(0, 1), (0,), ("",)], ids=["two", "constant", "missing"])
@pytest.mark.parametrize("is_ours", [True, False])
def test_a_column_that_says_nothing_in_some_data_is_read(flags, is_ours, tmp_path):
    told = {"columns": {"a": [], "flag": []}, "classes": ["no", "yes"]} if is_ours else {}
    file = by_sign(tmp_path / "model.onnx", **told)
    if flags == ("",) and not is_ours:
        with pytest.raises(UserError, match="column 'flag' holds only missing values"):
            accuracy(file, signs_csv(tmp_path, flags, ("no", "yes")))
        return
    assert accuracy(file, signs_csv(tmp_path, flags, ("no", "yes"))) == 1


def test_a_column_of_one_category_is_read(tmp_path):
    told = {"columns": {"a": [], "flag": ["x", "z"]}, "classes": ["no", "yes"]}
    file = by_sign(tmp_path / "model.onnx", **told)
    assert accuracy(file, signs_csv(tmp_path, ("z",), ("no", "yes"))) == 1


@pytest.mark.parametrize("told", [{}, {"columns": {"a": [], "flag": []}}])
def test_a_file_tells_whether_whole_numbers_are_classes(told, tmp_path):
    classes = {"classes": ["3", "4", "7"]} if told else {}
    file = by_sign(tmp_path / "model.onnx", outputs=3, **told, **classes)
    lines = [f"{(row + 1) * (-1) ** (row + 1)},{row % 3},{(3, 4)[row % 2]}" for row in range(40)]
    (tmp_path / "rows.csv").write_text("\n".join(["a,flag,target", *lines, "0,-5,7"]) + "\n")
    assert accuracy(file, str(tmp_path / "rows.csv")) == 1
    alone = by_sign(tmp_path / "alone.onnx", outputs=1, **told)
    figures = measured.on_data([alone], str(tmp_path / "rows.csv"), OwnData()).files[str(alone)]
    assert figures.quality["rmse"] > 0


def test_columns_that_a_file_does_not_take_are_left_out(tmp_path):
    told = {"columns": {"a": [], "flag": []}, "classes": ["no", "yes"]}
    file = by_sign(tmp_path / "model.onnx", **told)
    data = signs_csv(tmp_path, (0, 1), ("no", "yes"), more=("some words of a text", 7))
    assert accuracy(file, data) == 1
    with pytest.raises(UserError, match="unknown column 'flag'"):
        accuracy(file, data, target="flag")


def test_probabilities_are_measured_as_what_they_are(tmp_path):
    data = wine_csv(tmp_path)
    weight = np.zeros((13, 3), np.float32)
    held = {"w": weight, "b": np.float32([2, 0, -1])}
    nodes = [node("MatMul", "x w", "m"), node("Add", "m b", "a")]
    last = {"logits": node("Identity", "a", "y"), "shares": node("Softmax", "a", "y")}
    for name, one in last.items():
        file = file_of([*nodes, one], {"x": ("batch", 13)}, ["y"], **held)
        (tmp_path / f"{name}.onnx").write_bytes(file)
    files = [tmp_path / f"{name}.onnx" for name in last]
    found = measured.on_data(files, data, OwnData(target="kind"))
    logits, shares = (own.quality for own in found.files.values())
    assert shares == pytest.approx(logits)
    assert found.notes == (f"{files[1]}: answers are read as probabilities",)
    ours = onnx.load(files[1])
    ours.metadata_props.add(key="classes", value=json.dumps(["kind0", "kind1", "kind2"]))
    onnx.save(ours, files[1])
    found = measured.on_data(files[1:], data, OwnData(target="kind"))
    (own,) = found.files.values()
    assert found.notes == () and own.quality["log_loss"] != shares["log_loss"]


def test_a_file_of_a_stated_batch_answers_every_row(tmp_path):
    data, options = wine_csv(tmp_path), OwnData(target="kind")
    held = {"w": np.random.default_rng(0).normal(size=(13, 3)).astype(np.float32)}
    figures = []
    for batch in ("batch", 1, 5):
        path = tmp_path / f"{batch}.onnx"
        file = file_of([node("MatMul", "x w", "y")], {"x": (batch, 13)}, ["y"], **held)
        path.write_bytes(file)
        found = measured.on_data([path], data, options)
        figures.append(found.files[str(path)])
        told = [f"{path}: a call has 5 rows, not 1, since the file states so"]
        assert list(found.notes) == told * (batch == 5)
    assert figures[0].quality == figures[1].quality == figures[2].quality
    assert figures[0].macs == figures[1].macs == figures[2].macs == 39


def test_a_file_of_open_sizes_is_timed_on_the_rows_of_the_data(tmp_path):
    inputs = np.random.default_rng(0).normal(size=(40, 3, 256, 256)).astype(np.float32)
    data = write_npz(tmp_path / "a.npz", inputs=inputs, targets=np.arange(40) % 3)
    nodes = [node("Sin", "x", "s"), node("GlobalAveragePool", "s", "p"), node("Flatten", "p", "y")]
    figures = []
    for sizes in (("height", "width"), (256, 256)):
        path = tmp_path / "model.onnx"
        path.write_bytes(file_of(nodes, {"x": ("batch", 3, *sizes)}, ["y"]))
        figures.append(measured.on_data([path], data, OwnData()).files[str(path)].latency_ms)
    assert figures[0] == pytest.approx(figures[1], rel=0.5)


def test_the_weights_beside_a_file_are_measured_with_it(tmp_path, monkeypatch):
    targets = np.array([0, 1, 2, 2, 2, 2])
    data = write_npz(tmp_path / "a.npz", inputs=np.ones((6, 500)), targets=targets)
    for name, answer in (("own", 2), ("other", 1)):
        (tmp_path / name).mkdir()
        weights = np.tile(np.eye(3, dtype=np.float32)[answer], (500, 1))
        file = file_of([node("MatMul", "x w", "y")], {"x": ("batch", 500)}, ["y"], w=weights)
        path, model = tmp_path / name / "model.onnx", onnx.load_from_string(file)
        onnx.save(model, path, save_as_external_data=True, location="model.onnx.data")
    own = tmp_path / "own" / "model.onnx"
    monkeypatch.chdir(tmp_path / "other")
    found = measured.on_data([own], data, OwnData()).files[str(own)]
    assert found.quality["accuracy"] == 4 / 6
    assert found.size_bytes > 6000


def test_pictures_have_the_usual_side_where_a_file_leaves_it_open(tmp_path):
    for number in range(6):
        folder = tmp_path / "pictures" / f"{number % 2}"
        folder.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (80, 80), (40 * number, 0, 0)).save(folder / f"{number}.png")
    last = {"starts": [40], "ends": [10**6], "axes": [2]}
    nodes = [
        node("Slice", "x starts ends axes", "s"),
        node("ReduceMax", "s over", "m", keepdims=0),
        node("Slice", "m zero two one", "y"),
    ]
    held = {**last, "over": [2, 3], "zero": [0], "two": [2], "one": [1]}
    path = tmp_path / "model.onnx"
    path.write_bytes(file_of(nodes, {"x": ("batch", 3, "height", "width")}, ["y"], **held))
    found = measured.on_data([path], str(tmp_path / "pictures"), OwnData())
    assert found.num_rows == 6, "rows of 40 pixels at least"


@pytest.mark.parametrize("side", [64, 24])
def test_pictures_lie_as_a_file_takes_them_with_channels_first_or_last(side, tmp_path):
    rng = np.random.default_rng(0)
    for channel, name in enumerate(("a", "b", "c")):
        (tmp_path / "pictures" / name).mkdir(parents=True)
        for number in range(3):
            pixels = rng.integers(0, 60, (80, 80, 3)).astype(np.uint8)
            pixels[..., channel] += 150
            Image.fromarray(pixels).save(tmp_path / "pictures" / name / f"{number}.png")
    files = [tmp_path / "first.onnx", tmp_path / "last.onnx"]
    shapes = [("batch", 3, side, side), ("batch", side, side, 3)]
    for file, shape, axes in zip(files, shapes, ([2, 3], [1, 2])):
        nodes = [node("ReduceMean", "x axes", "y", keepdims=0)]
        file.write_bytes(file_of(nodes, {"x": shape}, ["y"], axes=axes))
    found = measured.on_data(files, str(tmp_path / "pictures"), OwnData())
    assert [one.quality["accuracy"] for one in found.files.values()] == [1, 1]
    told = "channels are put last in its rows, as the file takes them"
    assert found.notes == (f"{files[1]}: {told}",)


def test_series_lie_as_a_file_takes_them_or_are_refused(tmp_path):
    inputs = np.random.default_rng(0).normal(size=(20, 2, 6)).astype(np.float32)
    targets = (inputs[:, 1].mean(1) > inputs[:, 0].mean(1)).astype(int)
    data, path = write_npz(tmp_path / "a.npz", inputs=inputs, targets=targets), tmp_path / "m.onnx"
    mean = [node("ReduceMean", "x axes", "y", keepdims=0)]
    for steps in (6, "steps"):
        path.write_bytes(file_of(mean, {"x": ("batch", steps, 2)}, ["y"], axes=[1]))
        assert accuracy(path, data) == 1
    path.write_bytes(file_of(mean, {"x": ("batch", 4, 3)}, ["y"], axes=[1]))
    with pytest.raises(UserError, match=r"takes rows of shape \(4, 3\), and .* have \(2, 6\)"):
        accuracy(path, data)
    flat = [node("MatMul", "x w", "y")]
    path.write_bytes(file_of(flat, {"x": ("batch", 12)}, ["y"], w=ones(12, 2)))
    assert 0 < accuracy(path, data) < 1


@pytest.mark.parametrize(
    ("nodes", "sentence"),
    [
        ([node("Gather", "x at", "y")], r"gives 1 answers to the 3 rows of .*a\.npz"),
        ([node("Reshape", "x one", "y")], r"cannot answer the rows of .*a\.npz"),
        ([node("Log", "x", "y")], r"answers row 1 of .*a\.npz with numbers that are not finite"),
        ([node("Div", "x x", "y")], r"answers row 1 of .*a\.npz with numbers that are not finite"),
    ],
    ids=["one answer", "one row", "minus infinity", "no number"],
)
def test_a_file_that_does_not_answer_every_row_is_refused_in_a_sentence(nodes, sentence, tmp_path):
    inputs = np.float32([[1, 2], [0, 0], [3, 3]])
    data = write_npz(tmp_path / "a.npz", inputs=inputs, targets=np.array([0, 1, 0]))
    file, held = tmp_path / "model.onnx", {"at": [0], "one": [1, 2]}
    file.write_bytes(file_of(nodes, {"x": ("batch", 2)}, ["y"], **held))
    with pytest.raises(UserError, match=sentence):
        accuracy(file, data)


def test_a_logarithm_of_0_is_the_least_probability(tmp_path):
    inputs, targets = np.float32([[1, 0], [0, 1], [1, 0]]), np.array([0, 0, 0])
    data = write_npz(tmp_path / "a.npz", inputs=inputs, targets=targets, classes=["a", "b"])
    files = [tmp_path / "shares.onnx", tmp_path / "logarithms.onnx"]
    for file, operator in zip(files, ("Identity", "Log")):
        file.write_bytes(file_of([node(operator, "x", "y")], {"x": ("batch", 2)}, ["y"]))
    shares, logarithms = measured.on_data(files, data, OwnData()).files.values()
    assert logarithms.quality == pytest.approx(shares.quality)
    assert np.isfinite(logarithms.quality["log_loss"])


def test_a_regression_that_answers_with_a_number_a_row_is_told_so(tmp_path):
    rows = [(row / 7, row / 3) for row in range(60)]
    write_csv(tmp_path / "rows.csv", ("a", "price"), rows)
    path, nodes = tmp_path / "model.onnx", [node("Squeeze", "x one", "y")]
    path.write_bytes(file_of(nodes, {"x": ("batch", 1)}, ["y"], one=[1]))
    with pytest.raises(UserError, match=r"has 1 numbers to predict; .* must be \(rows, 1\)"):
        accuracy(path, str(tmp_path / "rows.csv"), "price")
