"""The README is true: its commands, options and paths exist, its code runs."""

import re
import subprocess
from pathlib import Path

import pytest
from helpers import source_tree
from helpers.trials import drive
from typer.testing import CliRunner

from automl import user_code
from automl.cli.app import app
from automl.space import exploring, space_file

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
MADE_BY_MAKE = {"tests/benchmarks/results/small/"}
OPTIMIZER = """
{optimizer}

from automl import MLP, Fixed, Sklearn, Space, Train, TrialConfig

space = Space(
    TrialConfig(Sklearn("digits"), MLP((16,)), (Train(NAdam(), Fixed(0.002), epochs=2),))
)
"""


def block(heading, language):
    section = README.split(heading, 1)[1]
    return section.split(f"```{language}\n", 1)[1].split("```", 1)[0]


def test_the_tree_in_the_docs_is_the_tree():
    assert source_tree.PAGE.read_text() == source_tree.page(), "python tests/helpers/source_tree.py"


def test_every_command_is_in_the_readme_and_has_help():
    names = {command.name or command.callback.__name__ for command in app.registered_commands}
    assert names == set(re.findall(r"^\| `automl (\w+)", README, re.MULTILINE))
    for name in names:
        shown = CliRunner().invoke(app, [name, "--help"])
        assert shown.exit_code == 0
        assert "--home" in shown.output
        assert "--json" in shown.output


def test_every_option_in_the_readme_exists():
    commands = [command.name or command.callback.__name__ for command in app.registered_commands]
    helps = "".join(CliRunner().invoke(app, [name, "--help"]).output for name in commands)
    for option in set(re.findall(r"--[a-z][a-z-]+", README)):
        assert option == "--help" or option in helps


def test_every_path_in_the_readme_exists():
    paths = set(re.findall(r"`([a-z_]+/[\w/]*(?:\.\w+)?)`", README))
    for path in paths - MADE_BY_MAKE:
        assert (ROOT / path).exists() or (ROOT / "automl" / path).exists(), path


def test_the_readmes_space_is_a_space():
    explored = exploring.validate(space_file.load(block("## Spaces", "python")))
    assert "model.widths.length" in explored.domains


def test_the_readmes_optimizer_is_added_in_one_place(store):
    text = OPTIMIZER.format(optimizer=block("### Adding one thing", "python"))
    (config,) = exploring.explore(space_file.load(text)).configs
    reports, result = drive(config, store, space_source=user_code.fingerprint(text))
    assert result.status == "complete"
    assert reports[-1].metrics["loss"] < reports[0].metrics["loss"]


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_the_readmes_first_commands(tmp_path):
    subprocess.run(["git", "clone", "-q", ROOT, tmp_path / "clone"], check=True)
    for _ in range(2):
        subprocess.run(["make", "demo"], cwd=tmp_path / "clone", check=True)
    assert (tmp_path / "clone/out/model.onnx").stat().st_size <= 40_000
