"""Every fence of the README and the docs is true: cheap checks here, and slowly each page is run.

A page is run as a reader would: its fences in order, in one folder, with the searches' budgets
cut. A fence is left out only where the page itself says why.
"""

import ast
import importlib
import re
import shutil

import pytest
import typer
from helpers.browser import needs_browser
from helpers.pages import CONTRIBUTING, PAGES, README, ROOT, Fence, commands, fences, run, spans
from typer.testing import CliRunner

from automl.cli.app import COMMANDS, app
from automl.space import exploring, space_file

pytestmark = pytest.mark.usefixtures("forgotten")

FENCES = [fence for page in PAGES for fence in fences(page)]
SHELL = [fence for fence in FENCES if fence.language == "sh"]
PYTHON = [fence for fence in FENCES if fence.language == "python"]
FILES = [fence for fence in PYTHON if "automl.search(" not in fence.text]
SPACES = [fence for fence in FILES if fence.defines_space and fence.page != CONTRIBUTING]
GUIDES = [page for page in PAGES if page.parent.name in ("start", "how-to", "understand")]
PROGRAM = typer.main.get_command(app)
FOREIGN = {"--allowed-hosts", "--resources"}
"""Options of other programs that pages name."""
KINDS = {"sh", "python", "text", "mermaid"}
MOST_NOT_RUN = 8
SHORT_AUTOML = ROOT / "tests" / "helpers" / "short_automl.py"


def name_of(page):
    return str(page.relative_to(ROOT))


def is_run(page):
    """True of a page with code to run; tests/test_docs.py runs the examples for contributors."""
    code = [fence for fence in fences(page) if fence.language in ("sh", "python")]
    return page != CONTRIBUTING and any(not fence.not_run for fence in code)


def options(command):
    parameters = PROGRAM.commands[command].params
    return {flag for param in parameters for flag in (*param.opts, *param.secondary_opts)}


def told(page):
    """The `automl` commands of a page, in its fences and its sentences, as words."""
    shell = [fence for fence in fences(page) if fence.language == "sh"]
    in_fences = [words for fence in shell for words in commands(fence)]
    in_sentences = [span.split() for span in spans(page.read_text())]
    both = in_fences + in_sentences
    return [words[1:] for words in both if words[0] == "automl" and len(words) > 1]


@pytest.mark.parametrize("fence", SHELL, ids=str)
def test_every_command_in_a_fence_is_one_that_the_program_takes(fence):
    for words in commands(fence):
        if words[0] == "automl" and not words[1].startswith("-"):
            PROGRAM.commands[words[1]].make_context(words[1], words[2:])


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_command_that_a_page_names_has_the_options_that_it_names(page):
    for command, *words in told(page):
        if command.islower() and not command.startswith("-"):
            named = {word.split("=")[0] for word in words if word.startswith("--")}
            assert named <= options(command) | {"--help"}, command


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_option_that_a_page_names_is_one_of_some_command(page):
    known = {"--help", *FOREIGN}.union(*map(options, COMMANDS))
    named = {span.split()[0] for span in spans(page.read_text()) if span.startswith("--")}
    assert named - known == set()


def test_every_command_has_help_and_is_in_a_guide():
    assert set(COMMANDS) - {words[0] for page in GUIDES for words in told(page)} == set()
    for name in COMMANDS:
        shown = CliRunner().invoke(app, [name, "--help"])
        assert shown.exit_code == 0
        assert "--json" in shown.output


@pytest.mark.parametrize("fence", PYTHON, ids=str)
def test_every_python_fence_compiles_and_its_names_of_automl_exist(fence):
    for node in ast.walk(ast.parse(fence.text)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "automl":
            module = importlib.import_module(node.module)
            assert [alias.name for alias in node.names if not hasattr(module, alias.name)] == []


@pytest.mark.parametrize("fence", SPACES, ids=str)
def test_every_space_in_a_fence_is_a_space_with_a_file_name(fence):
    assert fence.file
    assert exploring.validate(space_file.load(fence.text)).configs


def test_fences_are_of_known_kinds_and_few_are_not_run():
    assert {fence.language for fence in FENCES} <= KINDS
    assert len([fence for fence in FENCES if fence.not_run]) <= MOST_NOT_RUN


def test_a_command_that_is_wrong_is_found():
    wrong = Fence(README, 1, "sh", "automl search digits \\\n  --trails 3\n", "")
    with pytest.raises(Exception, match="No such option"):
        test_every_command_in_a_fence_is_one_that_the_program_takes(wrong)


@pytest.fixture(scope="session")
def made_home(tmp_path_factory):
    """A home with a short search of digits, for pages that only look at one."""
    folder = tmp_path_factory.mktemp("made")
    short(folder, Fence(README, 0, "sh", "automl search digits --trials 20", ""))
    return folder / "automl-home"


def short(folder, fence):
    """Run a fence with the searches' budgets cut."""
    return run(folder, fence, automl=(SHORT_AUTOML,))


@pytest.mark.slow
@pytest.mark.timeout(1500)
@pytest.mark.parametrize("page", [*filter(is_run, PAGES)], ids=name_of)
def test_a_page_runs_from_its_first_fence_to_its_last(page, tmp_path, request):
    code = [fence for fence in fences(page) if fence.language in ("sh", "python")]
    to_run = [fence for fence in code if not fence.not_run]
    text = "".join(fence.text for fence in to_run)
    if "--browser" in text and needs_browser.args[0]:
        pytest.skip(needs_browser.kwargs["reason"])
    if "digits" in text and not re.search(r"(?<!-)search\(?.?digits(?! --name)", text):
        made = request.getfixturevalue("made_home")
        shutil.copytree(made, tmp_path / "automl-home", symlinks=True)
    for fence in to_run:
        short(tmp_path, fence)
