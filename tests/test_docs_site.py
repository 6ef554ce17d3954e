"""The documentation as a site: built strictly, needs no network, and forgets nothing."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from helpers.browser import browser, find, needs_browser, picture
from helpers.pages import DOCS, ROOT
from selenium.webdriver.support.ui import WebDriverWait

import automl
from automl import pareto
from automl.config import snake_case
from automl.quality import METRICS

REFERENCE = "\n".join(page.read_text() for page in (DOCS / "reference").glob("*.md"))
__all__ = ["browser"]

OUR_METRICS = [type(m) for m in METRICS.values() if type(m).__module__ == "automl.quality"]
LOADED = re.compile(
    r"""<(?:script|link|img|iframe|source)\b[^>]*?\b(?:src|href)=["']?(https?:)?//"""
)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The site of these pages, built in a folder of its own."""
    folder = tmp_path_factory.mktemp("site")
    for name in ("docs", "mkdocs.yml"):
        source = ROOT / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, folder / name)
    (folder / "automl").symlink_to(ROOT / "automl")
    command = [Path(sys.executable).with_name("zensical"), "build", "--strict"]
    done = subprocess.run(
        command, cwd=folder, env={**os.environ, "NO_COLOR": "1"}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "site"


def test_the_site_builds_strictly_and_loads_nothing_from_the_network(site):
    pages = list(site.rglob("*.html"))
    assert len(pages) > 60
    for page in pages:
        text = page.read_text()
        assert not LOADED.search(text), page
        assert 'class="mermaid"' not in text, page  # its script would come from the network


def test_the_reference_holds_signatures(site):
    text = (site / "reference" / "training.html").read_text()
    assert "weight_decay" in text
    assert "Stochastic gradient descent" in text


def test_every_page_is_in_the_navigation():
    listed = re.findall(r"[\w/-]+\.md", (ROOT / "mkdocs.yml").read_text())
    pages = {str(page.relative_to(DOCS)) for page in DOCS.rglob("*.md")}
    decisions = {page for page in pages if page.startswith("decisions/0")}
    assert sorted(listed) == sorted(pages - decisions)


def test_every_public_name_and_figure_is_in_the_reference():
    block = Path(automl.__file__).read_text().split("if TYPE_CHECKING:\n", 1)[1].split("\n\n")[0]
    public = set(re.findall(r"^    from [\w.]+ import (\w+)", block, re.MULTILINE))
    shown = set(re.findall(r"^::: automl\.[\w.]*\.(\w+)$", REFERENCE, re.MULTILINE))
    assert public - shown == set()
    figures = {*pareto.FILE_OBJECTIVES, *(snake_case(cls.__name__) for cls in OUR_METRICS)}
    assert figures == set(re.findall(r"^\| `(\w+)` \| (?:higher|lower)", REFERENCE, re.MULTILINE))


def test_every_environment_variable_is_in_the_settings():
    sources = "\n".join(path.read_text() for path in (ROOT / "automl").rglob("*.py"))
    settings = (DOCS / "reference" / "settings.md").read_text()
    assert set(re.findall(r"AUTOML_[A-Z_]+", sources)) <= set(re.findall(r"\w+", settings))


@pytest.mark.slow
@needs_browser
def test_every_page_shows_itself_from_disk(site, browser):
    for page in sorted({*site.rglob("*.html")} - {site / "404.html"}):
        browser.get(page.as_uri())
        assert find(browser, "h1"), page
        broken = "return [...document.images].filter(i => !i.naturalWidth).map(i => i.src)"
        assert browser.execute_script(broken) == [], page
        wide = "return document.documentElement.scrollWidth - document.documentElement.clientWidth"
        assert browser.execute_script(wide) <= 0, page
        asked = "return performance.getEntriesByType('resource').map(e => e.name)"
        assert [url for url in browser.execute_script(asked) if url.startswith("http")] == []
        picture(
            browser, f"docs-{page.relative_to(site).with_suffix('').as_posix()}".replace("/", "-")
        )


@pytest.mark.slow
@needs_browser
def test_the_site_can_be_searched_from_disk(site, browser):
    browser.get((site / "index.html").as_uri())
    find(browser, ".md-search__button")[0].click()
    field = WebDriverWait(browser, 20).until(lambda b: active(b))
    field.send_keys("latency")
    found = "return arguments[0].shadowRoot.textContent"
    WebDriverWait(browser, 20).until(lambda b: "is measured" in b.execute_script(found, field))


def active(browser):
    """The element that takes what is typed, once that is the search's."""
    element = browser.switch_to.active_element
    return element if element.tag_name == "div" else None
