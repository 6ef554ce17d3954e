"""explain.html read back, and looked at in a browser as MLflow shows it: in a sandbox."""

import copy
import html
import json
import re

from helpers import known_search as known
from helpers.browser import browser, needs_browser, picture
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from automl.explain.page import document

__all__ = ["browser"]
SANDBOX = """<iframe sandbox="allow-scripts" style="width:1180px;height:{height}px"></iframe>
<script>
const page = new Blob([{page}], {{type: "text/html"}});
document.querySelector("iframe").src = URL.createObjectURL(page);
</script>"""


def test_all_that_was_found_is_on_the_page(explained):
    found, text, _ = explained
    for sentence in found["findings"]:
        assert html.escape(sentence) in text
    for out in found["ablation"]["without"]:
        assert f"without {out['name']}" in text
    for one in found["answers"]["classes"]:
        assert f"<td>{one['name']}</td><td>{one['rows']}</td>" in text
    shown = [item for item in found["answers"]["changed"] if "picture" in item]
    assert text.count("<figure") == len(shown)
    assert all(html.escape(item["picture"]) in text for item in shown)


def test_it_is_whole_in_itself_and_holds_plotly_once(explained):
    _, text, _ = explained
    assert text.count('id="plotly"') == 1 and len(text) < 2_500_000
    own = re.sub(r"<script>.*?</script>", "", text, flags=re.DOTALL)
    assert not re.findall(r"(?:src|href)=[\"'](?!data:)", own)


def test_names_that_are_html_are_text_on_the_page(explained):
    found = copy.deepcopy(explained[0])
    evil = "</script><script>alert(1)</script>"
    found["study"] = found["answers"]["names"][0] = evil
    found["answers"]["classes"][0]["name"] = evil
    found["ablation"]["without"][0]["name"] = found["ablation"]["course"][0]["name"] = evil
    found["params"][evil] = evil
    found["next"][0]["changed"][evil] = evil
    for own in found["importance"].values():
        own[0]["path"] = own[0]["best"] = evil
    found["sensitivity"] = {evil: next(iter(found["sensitivity"].values()))}
    found["answers"]["changed"] = [
        {"row": 1, "target": evil, "before": evil, "after": evil, "became": "wrong", "text": evil}
    ]
    assert evil not in document(found)


def test_a_regression_and_a_model_that_was_never_compressed(explained):
    found = copy.deepcopy(explained[0])
    found["answers"] = {
        "task": "numbers",
        "num_rows": 3,
        "outputs": [{"output": 0, "rmse_before": 0.5, "rmse_after": 0.625}],
        "rmse": {"before": 0.5, "after": 0.625},
        "mean_change": 0.1,
        "changed": [{"row": 7, "target": [1.0], "before": [0.5], "after": [0.25], "text": "x = 1"}],
    }
    text = document(found)
    assert "<td>0.625</td>" in text and "0.5 → 0.25" in text
    found["model"]["parent_bytes"] = None
    found["ablation"] = {"course": found["ablation"]["course"][:1], "without": []}
    found["importance"] = found["interactions"] = {}
    assert "are too few to say" in document(found)


@needs_browser
def test_in_a_sandboxed_frame_every_chart_is_drawn_and_every_picture_shown(
    browser, explained, tmp_path
):
    found, text, _ = explained
    outer = tmp_path / "outer.html"
    # A script in a script would end it.
    content = json.dumps(text).replace("</", "<\\/")
    outer.write_text(SANDBOX.format(page=content, height=6000))
    browser.get(outer.as_uri())
    browser.switch_to.frame(browser.find_element(By.TAG_NAME, "iframe"))
    wanted = len(known.data(text)["charts"])
    WebDriverWait(browser, 40).until(
        lambda b: (
            len(b.find_elements(By.CSS_SELECTOR, ".js-plotly-plot .main-svg .plot, .xy")) >= wanted
        )
    )
    drawn = browser.find_elements(By.CSS_SELECTOR, ".js-plotly-plot")
    assert len(drawn) == wanted >= 5
    sizes = browser.execute_script(
        "return [...document.querySelectorAll('img')].map(i => i.naturalWidth)"
    )
    assert sizes == [8] * len(sizes)
    assert len(sizes) == sum("picture" in item for item in found["answers"]["changed"])
    errors = [e for e in browser.get_log("browser") if e["level"] == "SEVERE"]
    assert not errors
    shown = browser.find_element(By.TAG_NAME, "body").text
    assert all(sentence in shown for sentence in found["findings"])
    browser.switch_to.default_content()
    browser.set_window_size(1220, 6100)
    picture(browser, "explain")
