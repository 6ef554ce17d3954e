"""Sets of a hub as people have them: read as their owner means them, or told."""

import re

import pytest
from helpers.cases import said


def hub(folder, splits, **options):
    datasets = pytest.importorskip("datasets")
    from automl.data.hub import HuggingFace

    found = {name: datasets.Dataset.from_dict(columns) for name, columns in splits.items()}
    datasets.DatasetDict(found).save_to_disk(str(folder / "hub"))
    return HuggingFace(path=str(folder / "hub"), **options)


TEXTS = {"text": [f"t {i}" for i in range(20)], "label": [i % 2 for i in range(20)]}


def test_the_validation_split_of_a_hub_is_the_validation_split(tmp_path):
    splits = dict.fromkeys(("train", "validation", "test", "unsupervised"), TEXTS)
    raw = hub(tmp_path, splits).load()
    assert (raw.num_validation, raw.num_test) == (20, 20)
    assert raw.notes == ("the splits unsupervised are left out",)
    assert "of the split 'validation' of" in raw.row_name(20)
    raw = hub(tmp_path / "b", splits, validation_split="", test_split="").load()
    assert (len(raw.targets), raw.num_validation, raw.num_test) == (20, 0, 0)


HUB_TOLD = {
    "nan": ({"train": {**TEXTS, "label": ["nan", *"ab" * 9, "a"]}}, r"row 0 .* has no label"),
    "times": (
        {"train": {"x": [[1e9 + i, i] for i in range(20)], "label": TEXTS["label"]}},
        r"position 0 \(counted from 0\) of column 'x' holds numbers such as 1000000000.0",
    ),
    "a target of times": (
        {"train": {"text": TEXTS["text"], "label": [1e9 + i / 8 for i in range(20)]}},
        r"'label' of row 0 .* holds numbers such as 1000000000.0 that float32",
    ),
    "no label in test": (
        {"train": TEXTS, "test": {"text": ["a"]}},
        r"column 'label' is not in all splits; add it there",
    ),
    "an unlabelled test split": (
        {"train": TEXTS, "test": {"text": ["a"], "label": [-1]}},
        r"class '-1' appears 0 times",
    ),
}


@pytest.mark.parametrize("name", HUB_TOLD)
def test_sets_of_a_hub_that_cannot_be_meant_are_told(tmp_path, name):
    splits, wanted = HUB_TOLD[name]
    text = said(hub(tmp_path, splits), tmp_path)
    assert re.search(wanted, text), text
