"""The docs are true: paths exist, examples run, layers and decisions are those that there are."""

import configparser
import re

import pytest
from helpers import cli_page, source_tree
from helpers.pages import CONTRIBUTING, DOCS, PAGES, ROOT, spans, without_fences
from helpers.transcripts import SHOWN
from helpers.trials import drive

from automl import user_code
from automl.cli import check
from automl.home import Home
from automl.space import exploring, space_file

pytestmark = pytest.mark.usefixtures("forgotten")
OWN_MODEL = DOCS / "how-to" / "own-module.md"
DECISIONS = DOCS / "decisions"
FOLDERS = ("automl", "tests", "docs", "deploy", ".ci")
MADE_BY_MAKE = {"tests/benchmarks/results/small/"}
LAYER_ROW = re.compile(r"^\| (`\w+`(?:, `\w+`)*) \|", re.MULTILINE)


def named_paths(text):
    """Every source path between backticks, such as `automl/store.py`, alone or in a command."""
    words = [word for span in spans(text) for word in span.split()]
    paths = {word for word in words if "/" in word and word.split("/")[0] in FOLDERS}
    return sorted(paths - MADE_BY_MAKE)


def links(text):
    """The targets of a page's links to files beside it."""
    targets = re.findall(r"\]\(([^)#\s]+)\)", without_fences(text))
    return [target for target in targets if "://" not in target]


def blocks(text, language):
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)


def matches(pattern, *paths):
    """What a pattern's group is, anywhere in these files."""
    texts = [path.read_text() for path in paths]
    return {found for text in texts for found in re.findall(pattern, text, re.MULTILINE)}


def section(text, heading):
    """What stands under a heading, up to the next of its kind."""
    return text.split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]


def layers_named(text):
    """The layers in an architecture page's table, one set for each row."""
    rows = LAYER_ROW.findall(section(text, "Layers"))
    return [set(re.findall(r"`(\w+)`", row)) for row in rows]


def layers_enforced():
    rules = configparser.ConfigParser()
    rules.read(ROOT / ".importlinter")
    lines = rules["importlinter:contract:layers"]["layers"].split("\n")
    return [set(re.findall(r"\w+", line)) for line in lines if line.strip()]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_path_and_link_of_a_page_exists(page):
    text = page.read_text()
    missing = [path for path in named_paths(text) if not (ROOT / path).exists()]
    missing += [link for link in links(text) if not (page.parent / link).exists()]
    assert missing == []


def test_a_path_that_is_gone_is_found():
    text = "`automl/store.py`, `python tests/gone.py`, not `a.html`\n```sh\n`tests/no.py`\n```\n"
    assert named_paths(text) == ["automl/store.py", "tests/gone.py"]
    assert links("[a](gone.md), [b](https://example.org/b.md)") == ["gone.md"]


def test_what_is_made_from_the_program_is_as_the_program_is():
    assert source_tree.PAGE.read_text() == source_tree.page(), "python tests/helpers/source_tree.py"
    assert cli_page.PAGE.read_text() == cli_page.page(), "python tests/helpers/cli_page.py"


def test_pages_show_one_run_of_the_digits_search():
    shown = {}
    for block in (found for page in PAGES for found in SHOWN.finditer(page.read_text())):
        assert shown.setdefault(block[1], block[0]) == block[0]
    taken = re.search(r"^trial ([\w-]+) in out:", shown["export"], re.MULTILINE)[1]
    assert f"  {taken} " in shown["front"]


def test_the_folders_of_the_picture_exist():
    (picture,) = blocks((ROOT / "docs" / "architecture.md").read_text(), "mermaid")
    folders = re.findall(r"([a-z_]+(?:/[a-z_]+)*)/", picture)
    assert folders
    assert [folder for folder in folders if not (ROOT / "automl" / folder).is_dir()] == []


def test_every_target_on_a_page_is_in_the_makefile():
    targets = matches(r"^make ([a-z-]+)", *PAGES)
    assert targets
    assert targets <= matches(r"^([\w-]+):", ROOT / "Makefile")


def test_the_layers_of_the_page_are_those_that_are_enforced():
    assert layers_named((ROOT / "docs" / "architecture.md").read_text()) == layers_enforced()


def test_each_decision_is_in_the_index_in_order():
    index = (DECISIONS / "README.md").read_text()
    pages = sorted(path.name for path in DECISIONS.glob("[0-9]*.md"))
    assert [link for link in links(index) if link[0].isdigit()] == pages
    assert [int(name[:4]) for name in pages] == list(range(1, len(pages) + 1))


def test_each_decision_says_what_lost_and_what_would_change_our_mind():
    for page in DECISIONS.glob("[0-9]*.md"):
        text = page.read_text()
        headings = re.findall(r"^## (.+)$", text, re.MULTILINE)
        assert headings == ["Context", "Decision", "What lost", "What would change our mind"], page
        assert 20 <= len(text.splitlines()) <= 40, page


def test_each_word_of_the_glossary_has_a_meaning_and_a_file():
    text = (ROOT / "docs" / "glossary.md").read_text()
    rows = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| ")]
    words = [row[0] for row in rows if row[0] not in ("word", "") and "---" not in row[0]]
    assert len(words) == len(set(words)) > 0
    for word, meaning, file, *_ in (row for row in rows if row[0] in words):
        assert len(meaning.split()) > 2, word
        assert (ROOT / file.strip("` |")).is_file(), word


@pytest.mark.parametrize("block", blocks(CONTRIBUTING.read_text(), "python"))
def test_each_example_for_contributors_runs(block, store):
    (config,) = exploring.explore(space_file.load(block)).configs
    reports, result = drive(config, store, space_source=user_code.fingerprint(block))
    assert (result.status, result.reason) == ("complete", "")
    assert reports[-1].metrics["loss"] < reports[0].metrics["loss"]


def test_the_module_of_ones_own_is_compressed_as_its_page_says(tmp_path):
    block, several = blocks(OWN_MODEL.read_text(), "python")
    file = tmp_path / "own.py"
    file.write_text(block)
    report = check.examine(str(file), {}, Home(tmp_path / "home"), run=True)
    assert report.trial == "complete"
    assert set(report.parameters) == {"recipe.shrink", "recipe.quantize.bits"}
    file.write_text(several)
    report = check.examine(str(file), {}, Home(tmp_path / "home"), run=True)
    assert (report.trial, report.parameters) == ("complete", {"model.factory": "narrow | wide"})


def test_there_is_an_example_for_contributors():
    assert blocks(CONTRIBUTING.read_text(), "python")
