"""An export's predict.py: one file for each kind of rows, with nothing of automl to import."""

import ast
import builtins
import sys

import pytest

from automl.engine.predict_script import predict_script
from automl.predictor.load import READERS


def names_in(tree):
    """The names that a program makes, and those that it reads."""
    made, read = set(dir(builtins)) | {"__file__", "__name__"}, set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            (read if isinstance(node.ctx, ast.Load) else made).add(node.id)
        elif isinstance(node, ast.FunctionDef | ast.ClassDef | ast.arg):
            made.add(node.arg if isinstance(node, ast.arg) else node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            made |= {alias.asname or alias.name for alias in node.names}
        elif isinstance(node, ast.ExceptHandler) and node.name:
            made.add(node.name)
    return made, read


@pytest.mark.parametrize("kind", READERS)
def test_a_program_is_whole_and_imports_only_what_is_told(kind):
    tree = ast.parse(predict_script(kind))
    made, read = names_in(tree)
    assert read <= made
    top = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    modules = {getattr(node, "module", None) or node.names[0].name for node in top}
    others = {name.split(".")[0] for name in modules} - set(sys.stdlib_module_names)
    assert others == {"numpy"} | ({"PIL"} if kind == "image" else set())
    assert "automl" not in {name.split(".")[0] for name in modules}


@pytest.mark.parametrize("kind", READERS)
def test_a_program_is_one_of_python_3_10(kind):
    tree = ast.parse(predict_script(kind), feature_version=(3, 10))
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    silent = [call for call in calls if ast.unparse(call.func) == "warnings.catch_warnings"]
    assert not any(keyword.arg != "record" for call in silent for keyword in call.keywords)
