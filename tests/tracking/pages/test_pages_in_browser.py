"""The pages in a real browser, framed as MLflow frames them: scripts, no network, no origin."""

import pytest
from helpers import known_search as known
from helpers.browser import browser, find, needs_browser, picture, text
from selenium.webdriver import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select, WebDriverWait

from automl.tracking.pages import files

__all__ = ["browser"]
pytestmark = needs_browser
POINTS = ".scatterlayer .point"
FRAME = '<iframe sandbox="allow-scripts" src="{}" style="width:100%;height:2400px;border:0">'


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pages")
    files.write(known.make(folder), folder)
    return folder


@pytest.fixture
def show(browser, folder):
    """A page, once its charts are drawn."""

    def show(name):
        file = folder / f"framed-{name}"
        file.write_text(FRAME.format(name))
        browser.get(file.as_uri())
        browser.switch_to.frame(find(browser, "iframe")[0])
        find(browser, POINTS)

    return show


def count(browser):
    return len(browser.find_elements(By.CSS_SELECTOR, POINTS))


def points_are(browser, number):
    WebDriverWait(browser, 120).until(lambda b: count(b) == number)


def choose(browser, control, option):
    Select(browser.find_element(By.ID, control)).select_by_visible_text(option)


def test_every_trial_is_a_point_that_tells_its_parameters(browser, show):
    show("front.html")
    # One stopped, one beyond the constraint, two dominated, four of the front, the choice again.
    points_are(browser, 9)
    ActionChains(browser).move_to_element(find(browser, POINTS)[1]).perform()
    hover = find(browser, ".hoverlayer .hovertext")[0].text
    assert "trial 0005, breaks a constraint" in hover
    assert "recipe.train.learning_rate.Warmup.schedule.peak = 0.012" in hover
    assert browser.execute_script("return performance.getEntriesByType('resource').length") == 0
    assert browser.execute_script("return document.title") == "known: the front"
    picture(browser, "front-page")


def test_a_slider_filters_models_and_prints_the_command(browser, show):
    show("front.html")
    assert "All 4 models of the front are shown" in text(browser)
    browser.find_element(By.ID, "limit-size_bytes").send_keys(Keys.END)
    points_are(browser, 1)
    assert "1 of 4 models of the front satisfy size_bytes<=4000." in text(browser)
    command = browser.find_element(By.ID, "take").text
    assert command == ('automl export known --best accuracy --where "size_bytes<=4000" --out out')
    browser.find_element(By.ID, "limit-accuracy").send_keys(Keys.END)
    points_are(browser, 0)
    assert "0 of 4 models" in text(browser)
    browser.find_element(By.ID, "limit-size_bytes").send_keys(Keys.HOME)
    points_are(browser, 2)


def test_a_slider_shows_the_bound_that_the_command_has(browser, show):
    show("front.html")
    browser.execute_script(
        "const slider = document.getElementById('limit-latency_ms');"
        "slider.value = 50; slider.dispatchEvent(new Event('input'));"
    )
    assert browser.find_element(By.ID, "bound-latency_ms").text == "0.1225"
    assert '--where "latency_ms<=0.1225"' in browser.find_element(By.ID, "take").text


def test_axes_are_picked(browser, show):
    show("front.html")
    choose(browser, "x", "latency_ms")
    # What a stopped trial would have taken is not known.
    points_are(browser, 8)
    assert find(browser, ".xtitle")[0].text == "latency_ms"
    choose(browser, "y", "load_ms")
    WebDriverWait(browser, 120).until(lambda b: find(b, ".ytitle")[0].text == "load_ms")


def test_the_range_is_that_of_the_front_when_asked_for(browser, show):
    show("front.html")

    def least():
        return browser.execute_script(
            "return document.getElementById('front')._fullLayout.yaxis.range[0]"
        )

    assert least() < 0.55, "the stopped trial is in it"
    choose(browser, "range", "the front")
    WebDriverWait(browser, 120).until(lambda _: 0.75 < least() < 0.8)


def test_three_objectives_are_seen_in_space(browser, show):
    show("front.html")
    choose(browser, "view", "3-D")
    find(browser, "#front .gl-container canvas")
    drawn = browser.execute_script(
        "const found = document.getElementById('front').data;"
        "return found.map((trace) => [trace.name, trace.type, trace.z.length])"
    )
    assert {kind for _, kind, _ in drawn} == {"scatter3d"}
    assert {name: number for name, _, number in drawn}["front"] == 4
    assert not browser.find_elements(By.CSS_SELECTOR, ".no-webgl, .gl-error")
    picture(browser, "front-page-3d")
    choose(browser, "view", "2-D")
    points_are(browser, 9)


def test_the_report_tells_what_was_found(browser, show):
    show("report.html")
    headings = [heading.text for heading in browser.find_elements(By.TAG_NAME, "h2")]
    assert headings == [
        *("The front", "The best model at several sizes"),
        *("What the measured models are made of", "How the search went"),
        *("Where the computing time went", "What gave no model", "How it was searched"),
    ]
    seen = text(browser)
    assert "4 models are on the front" in seen
    assert known.EVIL in seen
    assert len(find(browser, "#spending .bars .point")) == 7
    assert len(find(browser, "#parallel .y-axis")) == 6
    assert len(find(browser, "#hypervolume .scatterlayer .trace")) == 2
    picture(browser, "report-page")
