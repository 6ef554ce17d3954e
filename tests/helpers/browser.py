"""A real browser without a window, and what tests ask of a page in it."""

import shutil
from contextlib import contextmanager
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

PICTURES = Path(__file__).parent.parent / "artifacts"
FLAGS = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--window-size=1500,1000"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--no-first-run", "--disable-dev-shm-usage"),
)

needs_browser = pytest.mark.skipif(
    not (shutil.which("chromium") and shutil.which("chromedriver")),
    reason="chromium and chromedriver are not installed",
)


@pytest.fixture(scope="module")
def browser():
    with opened() as driver:
        yield driver


@contextmanager
def opened(waits_for_load=True):
    """A browser, which is closed at the end."""
    options = webdriver.ChromeOptions()
    options.page_load_strategy = "normal" if waits_for_load else "none"
    options.binary_location = shutil.which("chromium")
    for flag in FLAGS:
        options.add_argument(flag)
    service = webdriver.ChromeService(shutil.which("chromedriver"))
    driver = webdriver.Chrome(options=options, service=service)
    try:
        yield driver
    finally:
        driver.quit()


def picture(browser, name):
    PICTURES.mkdir(exist_ok=True)
    browser.save_screenshot(str(PICTURES / f"{name}.png"))


def find(browser, selector, seconds=40):
    """The elements of a selector, once there are any."""
    return WebDriverWait(browser, seconds).until(
        lambda b: b.find_elements(By.CSS_SELECTOR, selector)
    )


def text(browser):
    return browser.find_element(By.TAG_NAME, "body").text
