"""The formats of an export: known by name, refused in a sentence."""

import sys

import pytest

from automl.errors import UserError
from automl.export import formats
from automl.export.formats import ALL, FORMATS, ONNX, asked_for


def test_each_format_is_taken_once_and_onnx_is_there_anyway():
    assert asked_for([]) == asked_for([ONNX]) == ()
    assert asked_for([ONNX, "pt2", "pt2"]) == ("pt2",)


def test_all_stands_for_every_format(monkeypatch):
    monkeypatch.setattr(formats, "FORMATS", {"pt2": FORMATS["pt2"]})
    assert asked_for([ALL]) == ("pt2",)


def test_an_unknown_format_is_refused_with_the_nearest_name():
    with pytest.raises(UserError, match="--format unknown format 'pt3'; did you mean 'pt2'"):
        asked_for(["pt3"])


@pytest.mark.parametrize(
    ("name", "package"), [("executorch", "executorch.version"), ("litert", "ai_edge_litert")]
)
def test_a_format_without_its_package_names_the_extra(name, package, monkeypatch):
    top = package.split(".")[0]
    monkeypatch.setitem(sys.modules, top, None)
    monkeypatch.setitem(sys.modules, package, None)
    told = f"--format {name} needs the package '{top}'; install it: .* 'frontier-automl.{name}.'"
    with pytest.raises(UserError, match=told):
        asked_for([name])
