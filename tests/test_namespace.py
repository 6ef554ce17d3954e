"""The flat namespace: `automl` has all that a space file needs, and loads it on first use."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import automl
from automl.config import Config, import_choices
from automl.data.dataset import DatasetInfo
from automl.space.domains import Domain


def of_spaces():
    """The public registered classes of the package that a space may hold, by their names."""
    import_choices()
    return {
        name: cls
        for name, cls in Config.registered.items()
        if cls.__module__.startswith("automl.") and not name.startswith("_")
    }


def test_every_class_that_a_space_can_hold_is_a_name():
    for name, cls in of_spaces().items():
        assert getattr(automl, name) is cls


def test_every_name_for_editors_is_the_real_thing():
    tree = ast.parse(Path(automl.__file__).read_text())
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    names = {a.name: node.module for node in imports for a in node.names if a.asname}
    assert len(names) > 80
    for name, module in names.items():
        assert getattr(automl, name) is getattr(sys.modules[module], name)


def test_editors_know_every_class_that_a_space_file_names():
    text = Path(automl.__file__).read_text()
    inner = {"TrialResult", "Measurement", "Axis", "Scaling", "Settings"}
    inner |= {"SourceFile"}
    inner |= {"DataSummary", "ColumnSummary", "ClassSummary"}
    for name, cls in of_spaces().items():
        folder = cls.__module__.split(".")[1]
        is_inner = issubclass(cls, Domain) or cls is DatasetInfo or name in inner
        if folder in ("data", "training", "space") and not is_inner:
            assert f" as {name}\n" in text, name


@pytest.mark.parametrize("name", ["Nope", "nope", "_Peers", "TPESampler"])
def test_a_name_that_is_not_there_is_an_attribute_error(name):
    with pytest.raises(AttributeError, match=f"no attribute '{name}'"):
        getattr(automl, name)


def test_a_module_of_the_package_is_still_imported():
    from automl import errors

    assert errors.UserError is sys.modules["automl.errors"].UserError


def test_a_users_class_is_no_name_of_ours():
    type("UsersOwn", (Config,), {"__module__": "automl_space_x"})
    with pytest.raises(AttributeError):
        _ = automl.UsersOwn


def test_importing_the_package_is_light():
    code = (
        "import sys; import automl; from automl import errors;"
        "heavy = {'torch', 'ray', 'mlflow', 'optuna', 'numpy', 'pydantic'} & set(sys.modules);"
        "assert not heavy, heavy;"
        "from automl import quality;"
        "heavy = {'torch', 'ray', 'mlflow', 'scipy', 'pydantic'} & set(sys.modules);"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
