import numpy as np
import pytest

from automl.data.series import Series
from automl.errors import UserError

HEADER = "# made\n@problemName x\n@timeStamps false\n@classLabel true run walk\n\n@data\n"


def series(folder, content, name="a.ts", **options):
    (folder / name).write_text(content)
    return Series(str(folder / name), **options)


def test_a_ts_file_has_dimensions_and_the_label_last(tmp_path):
    raw = series(tmp_path, f"{HEADER}1,2,3:4,5,6:walk\n7,8,9:1e1,-11,.5:run\n").load()
    assert raw.inputs.dtype == np.float32
    assert raw.inputs.tolist() == [[[1, 2, 3], [4, 5, 6]], [[7, 8, 9], [10, -11, 0.5]]]
    assert raw.input_shape == (2, 3)
    assert (raw.classes, raw.targets.tolist()) == (("run", "walk"), [1, 0])


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", "2,1.5,2,3\n10,4,5,6\n"),
        ("a.tsv", "2\t1.5\t2\t3\n10\t4\t5\t6\n"),
        ("a.txt", "  2  1.5  2.0e+00  3\n  10  4  5  6\n"),
        ("a.txt", "2,1.5,2,3\n10,4,5,6\n"),
    ],
)
def test_the_ucr_layout_has_the_label_first(tmp_path, name, content):
    raw = series(tmp_path, content, name).load()
    assert raw.inputs.tolist() == [[[1.5, 2, 3]], [[4, 5, 6]]]
    assert (raw.classes, raw.targets.tolist()) == (("2", "10"), [0, 1])


def test_the_rows_of_the_test_file_come_last(tmp_path):
    test = series(tmp_path, "1,5,6\n", "b.csv").path
    raw = series(tmp_path, "1,1,2\n0,3,4\n", "a.csv", test_path=test).load()
    assert (raw.inputs[:, 0].tolist(), raw.num_test) == ([[1, 2], [3, 4], [5, 6]], 1)
    assert raw.targets.tolist() == [1, 0, 1]


@pytest.mark.parametrize("header", ["0,1,2,3", "label,0,1,2"])
def test_the_header_that_pandas_writes_for_an_array_is_no_series(header, tmp_path):
    raw = series(tmp_path, f"{header}\nrun,1,2,3\nwalk,4,5,6\n", "a.csv").load()
    assert (raw.classes, raw.inputs.tolist()) == (("run", "walk"), [[[1, 2, 3]], [[4, 5, 6]]])
    assert raw.row_name(0).startswith("line 2 of")


BAD_TS = {
    r"line 8 of .*a.ts has '\?' as step 2 of channel 1": f"{HEADER}1,2:run\n1,?:walk\n",
    r"line 7 of .*a.ts has 'NaN' as step 1 of channel 2": f"{HEADER}1,2:NaN,4:run\n",
    r"line 7 of .*a.ts has 'inf' as step 2 of channel 1": f"{HEADER}1,inf:run\n",
    r"line 7 of .*a.ts has '' as step 2 of channel 1": f"{HEADER}1,:run\n",
    r"line 8 of .*a.ts has 1 channel of 3 steps, but line 7 of .* has 1 channel of 2 steps": (
        f"{HEADER}1,2:run\n1,2,3:run\n"
    ),
    r"line 8 of .*a.ts has 2 channels of 2 steps, but": f"{HEADER}1,2:run\n1,2:3,4:run\n",
    r"line 7 of .*a.ts has no channels of one length": f"{HEADER}1,2:3:run\n",
    r"line 7 of .*a.ts has the label 'fly', which @classLabel does not name": (
        f"{HEADER}1,2:fly\n"
    ),
    r"line 2 of .*a.ts stands before @data": "@problemName x\n1,2:run\n",
    r"a.ts has times in its header": "@timestamps true\n@data\n(0,1):run\n",
    r"a.ts has no class labels in its header": "@classLabel false\n@data\n1,2:0.5\n",
    r"line 3 of .*a.ts has the target 'x', which is no finite number": (
        "@targetLabel true\n@data\n1,2:x\n"
    ),
    r"line 3 of .*a.ts has no label but '\?'": "@classLabel true\n@data\n1,2:?\n",
    r"a.ts holds no series": HEADER,
}
BAD_CSV = {
    r"a.csv holds no series": "",
    r"line 1 of .*a.csv has 'step' as step 1 of channel 1": "label,step,step\n1,2,3\n",
    r"line 2 of .*a.csv has no label": "1,2,3\n,2,3\n",
    r"line 3 of .*a.csv has 1 channel of 1 step, but line 1 of .*a.csv": "1,2,3\n1,2,3\n1,2\n",
    r"line 2 of .*a.csv has '' as step 1": "1,2,3\n1,,3\n",
    r"line 2 of .*a.csv has '1e50' as step 2 of channel 1": "1,2,3\n1,2,1e50\n",
    r"line 1 of .*a.csv has no label; add it": ",0,1,2\n0,run,3,4\n",
    r"line 1 of .*a.csv has a label but no steps; add them": "1\n2\n",
}


@pytest.mark.parametrize("message", [*BAD_TS, *BAD_CSV])
def test_a_bad_line_is_told(tmp_path, message):
    name = "a.ts" if message in BAD_TS else "a.csv"
    with pytest.raises(UserError, match=message):
        series(tmp_path, {**BAD_TS, **BAD_CSV}[message], name).load()


def test_a_test_file_of_another_length_is_told(tmp_path):
    test = series(tmp_path, "1,5,6,7\n", "b.csv").path
    with pytest.raises(UserError, match=r"line 1 of .*b.csv has 1 channel of 3 steps, but"):
        series(tmp_path, "0,1,2\n1,3,4\n", "a.csv", test_path=test).load()


def test_a_file_of_another_kind_is_told(tmp_path):
    with pytest.raises(UserError, match=r"a.arff is no .ts, .csv, .tsv or .txt file"):
        series(tmp_path, "", "a.arff").load()


def test_a_folder_is_told(tmp_path):
    (tmp_path / "a.csv").mkdir()
    with pytest.raises(UserError, match=r"a.csv is a folder; give the path of a file"):
        Series(str(tmp_path / "a.csv")).load()
