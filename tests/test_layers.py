"""The architecture as a test: imports go down the layers, each heavy library has one home."""

import ast
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
HOMES = {
    "IPython": ["engine"],
    "PIL": ["data"],
    "ai_edge_litert": ["runtimes"],
    "annotated_types": ["field_types", "config_checks", "engine"],
    "datasets": ["data"],
    "executorch": ["export", "runtimes"],
    "fastapi": ["predictor"],
    "filelock": ["data", "study", "tracking"],
    "fsspec": ["store"],
    "grpc": ["cluster"],
    "jinja2": ["tracking"],
    "litert_torch": ["export"],
    "matplotlib": ["tracking"],
    "mlflow": ["tracking"],
    "onnx": ["export", "bounds", "measure"],
    "onnxruntime": ["runtimes"],
    "onnxscript": ["export"],
    "optuna": ["study"],
    "pandas": ["engine"],
    "plotly": ["tracking", "explain", "engine"],
    "pyarrow": ["data", "measure", "predictor"],
    "pydantic": ["config_checks", "engine", "study"],
    "pydantic_core": ["config"],
    "ray": ["cluster"],
    "rich": ["cli"],
    "safetensors": ["models", "training"],
    "sklearn": ["data"],
    "scipy": ["quality", "quality_maths", "study"],
    "sqlalchemy": ["study"],
    "tenacity": ["retry"],
    "torch": [
        *("models", "training", "compression", "export", "bounds"),
        *("trial", "runtimes", "explain", "cluster", "cli", "search_spaces"),
    ],
    "torchvision": ["data"],
    "typer": ["cli"],
    "uvicorn": ["predictor"],
}


def strangers(package):
    """Imports of a library outside its home, as `module imports library`."""
    found = []
    for path in sorted(package.rglob("*.py")):
        place = path.relative_to(package).parts[0].removesuffix(".py")
        for node in ast.walk(ast.parse(path.read_text())):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.level == 0:
                names = [node.module]
            for library in {name.split(".")[0] for name in names}:
                if place not in HOMES.get(library, [place]):
                    found.append(f"{path.relative_to(package)} imports {library}")
    return found


def lint(root):
    command = [Path(sys.executable).with_name("lint-imports"), "--no-cache"]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True)
    return done.returncode, done.stdout


@pytest.fixture
def copy(tmp_path):
    shutil.copytree(ROOT / "automl", tmp_path / "automl")
    shutil.copy(ROOT / ".importlinter", tmp_path)
    return tmp_path


def plant(root, module, line):
    path = root / "automl" / module
    path.write_text(f"{path.read_text()}\n{line}\n")


def test_imports_go_down_the_layers():
    code, output = lint(ROOT)
    assert code == 0, output


def test_an_import_that_goes_up_is_caught(copy):
    plant(copy, "training/losses.py", "import automl.cluster.session")
    code, output = lint(copy)
    assert code != 0
    assert "automl.training.losses -> automl.cluster.session" in output


def test_a_module_in_no_layer_is_caught(copy):
    (copy / "automl" / "helpers.py").write_text('"""Misc."""\n')
    code, output = lint(copy)
    assert code != 0
    assert "helpers" in output


def test_every_library_is_imported_in_its_home_only():
    assert strangers(ROOT / "automl") == []


def test_a_library_outside_its_home_is_caught(copy):
    plant(copy, "training/loop.py", "from ray import train")
    plant(copy, "measure/gate.py", "import torch")
    assert strangers(copy / "automl") == [
        "measure/gate.py imports torch",
        "training/loop.py imports ray",
    ]


def test_help_and_looks_are_light(tmp_path):
    code = (
        "import sys; from typer.testing import CliRunner; from automl.cli.app import app;"
        "assert CliRunner().invoke(app, ['--help']).exit_code == 0;"
        f"assert CliRunner().invoke(app, ['list', '--home', {str(tmp_path)!r}]).exit_code == 0;"
        "heavy = {'torch', 'ray', 'mlflow', 'optuna', 'onnx', 'onnxruntime', 'sklearn'};"
        "heavy &= set(sys.modules);"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
