"""Typer's parameters, made from the declared options."""

import re
import shlex
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated

import pytest
import typer
from typer.main import get_command
from typer.testing import CliRunner

from automl.cli import app as app_module
from automl.cli import parameters, search_commands
from automl.cli.app import app
from automl.engine import search_options
from automl.engine.declared_options import Shown
from automl.engine.search_options import NewSearch, Options, declared
from automl.engine.wishes import Choice, OwnData, TakenAs
from automl.errors import UserError

TAKERS = ("search", "init", "resume", "submit", "sync", "check", "doctor", "export", "explain")


def shown_by(command, of=app):
    """The help of a command without its frame, each run of blanks as one."""
    output = CliRunner().invoke(of, [command, "--help"], env={"COLUMNS": "500"}).output
    return " ".join(output.replace("│", " ").split())


@pytest.mark.parametrize("command", TAKERS)
def test_help_shows_each_declared_option_with_its_default(command):
    shown = shown_by(command)
    for option in declared(command).values():
        start = shown.index(f"{option.flag} ")
        line = shown[start : shown.index("[default: ", start)]
        assert line.endswith(f"{option.shown.help} ")
        default = shown[start + len(line) :].removeprefix("[default: ").split("]")[0]
        words = option.shown.default and f"({option.shown.default})"
        plain = option.flag[2:] if option.default is True else str(option.default)
        assert default == (words or plain)


def test_search_takes_every_option_and_submit_all_but_the_address():
    names = {f.name for cls in (Options, NewSearch) for f in fields(cls)}
    wishes = {f.name for f in fields(OwnData)}
    assert set(declared("search")) == names | wishes
    assert set(declared("init")) == wishes
    assert set(declared("submit")) == names - {"address"}
    choice = {f.name for f in fields(Choice)}
    assert set(declared("explain")) == choice
    assert set(declared("export")) == choice | {f.name for f in fields(TakenAs)}


def test_resume_takes_the_options_that_it_may_change():
    budgets = {f.name for f in fields(search_options.Budgets)}
    machine = {"address", "concurrency", "cpus_per_trial", "gpus_per_trial", "gpu_type"}
    measuring = {"measure_over", "measure_python"}
    assert set(declared("resume")) == {*budgets, *machine, *measuring, "tracking_uri"}


def test_options_stand_in_panels():
    output = CliRunner().invoke(app, ["search", "--help"]).output
    titles = [line.split()[1] for line in output.splitlines() if line.startswith("╭─")]
    assert titles == ["Arguments", "Options", "Data", "Budgets", "Machine", "Search", "Storage"]


def test_a_declared_option_more_is_taken_by_its_commands(monkeypatch):
    @dataclass(frozen=True)
    class More(Options):
        naps: Annotated[
            int, Shown(search_options.BUDGETS, "Breaks in a run.", commands=("search",))
        ] = 3

    monkeypatch.setattr(search_options, "Options", More)
    small, seen = typer.Typer(), []

    @small.command("search")
    @parameters.takes_options("search")
    def search(space: str, **given: object) -> None:
        seen.append((space, given["naps"]))

    small.command("other")(lambda: None)
    assert "Breaks in a run. [default: 3]" in shown_by("search", small)
    assert CliRunner().invoke(small, ["search", "digits", "--naps", "5"]).exit_code == 0
    assert seen == [("digits", 5)]


@pytest.mark.parametrize("command", ["search", "resume", "submit"])
def test_an_unknown_option_is_refused_with_the_nearest_name(command):
    done = CliRunner().invoke(app, [command, "digits", "--trails", "3"])
    assert done.exit_code == 2
    assert "--trials" in done.output


def test_submit_gives_search_what_it_was_given():
    given = {name: option.default for name, option in declared("submit").items()}
    assert search_commands.arguments(given) == []
    given |= {"trials": 3, "reuse": False, "sets": ["a=1", "b=2"], "initial_points": Path("p.json")}
    assert search_commands.arguments(given) == [
        *("--trials", "3", "--no-reuse", "--set", "a=1", "--set", "b=2"),
        *("--initial-points", "p.json"),
    ]


def test_a_set_without_a_value_is_refused():
    assert parameters.assignments(["a=1", "b=c=2"]) == {"a": "1", "b": "c=2"}
    assert parameters.assignments(None) == {}
    with pytest.raises(UserError, match="--set a: write PATH=VALUE"):
        parameters.assignments(["a"])


def test_each_option_that_takes_a_value_shows_its_default_or_must_be_given():
    for name, command in get_command(app).commands.items():
        options = [p for p in command.params if p.param_type_name == "option" and not p.required]
        valued = [option for option in options if not option.is_flag]
        assert shown_by(name).count("[default: ") >= len(valued), name


def test_each_command_has_an_example_that_it_takes():
    for name, command in app_module.COMMANDS.items():
        assert command.example in shown_by(name)
        _, first, *words = shlex.split(command.example)
        assert first == name
        get_command(app).commands[name].make_context(name, words)


def test_help_shows_no_names_of_pythons_types():
    for name in ("", *app_module.COMMANDS):
        shown = CliRunner().invoke(app, [*filter(None, [name]), "--help"]).output
        assert not re.search(r"<(bool|str|int|float|path|list)\b", shown), name
