"""explain.html read back, and looked at in a browser as MLflow shows it: in a sandbox."""

import json
import os
import re
import subprocess
import sys
from dataclasses import replace

from helpers import known_search as known
from helpers.browser import browser, needs_browser, picture
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from automl.explain.findings import Answers, Parameters
from automl.explain.page import document
from automl.measure.predictions import BeforeAfter, ChangedAnswer, NumberComparison
from automl.recipe import LayerOutcome

__all__ = ["browser"]
SANDBOX = """<iframe sandbox="allow-scripts" style="width:1180px;height:{height}px"></iframe>
<script>
const page = new Blob([{page}], {{type: "text/html"}});
document.querySelector("iframe").src = URL.createObjectURL(page);
</script>"""


def test_the_page_is_in_the_encoding_that_it_names(tmp_path):
    code = (
        "import pathlib, sys\n"
        "from automl.explain import page\n"
        "page.document = lambda explanation: chr(0x25cf)\n"
        "page.write(None, pathlib.Path(sys.argv[1]))"
    )
    ascii_alone = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    command = [sys.executable, "-c", code, tmp_path / "explain.html"]
    subprocess.run(command, env={**os.environ, **ascii_alone}, check=True, timeout=120)
    assert (tmp_path / "explain.html").read_text(encoding="utf-8") == "\u25cf"


def test_all_that_was_found_is_on_the_page(explained):
    found, page, _ = explained
    shown = known.text(page)
    for sentence in found.findings:
        assert sentence in shown
    assert found.model.latency_of.startswith("one row, one thread")
    assert f"<small>{found.model.latency_of}</small>" in page
    for outcome in found.ablation.without:
        assert f"without {outcome.name}" in shown
    for own in found.answers.comparison.classes:
        assert f"<td>{own.name}</td><td>{own.num_rows}</td>" in page
    pictures = [preview["picture"] for preview in found.answers.previews]
    assert re.findall(r'<img src="(.*?)"', page) == pictures
    assert page.count("<figure") == len(pictures)


def test_each_tensor_has_a_row_on_the_page(explained):
    found, _, _ = explained
    own = [LayerOutcome(f"layer{i}.weight", 1000 + i, "8 bits") for i in range(50)]
    page = document(replace(found, outcomes={"quantize": own}))
    row = '<td>layer49.weight</td><td class="number">1,049</td><td class="number">2 %</td>'
    assert f"{row}<td>8 bits</td>" in page
    assert "<td>11 more</td>" in page and "11 changed, 0 stay" in page
    assert "What became of each layer" not in document(replace(found, outcomes={}))


def test_it_is_whole_in_itself_and_holds_plotly_once(explained):
    _, text, _ = explained
    assert text.count('id="plotly"') == 1 and len(text) < 2_500_000
    own = re.sub(r"<script>.*?</script>", "", text, flags=re.DOTALL)
    assert not re.findall(r"(?:src|href)=[\"'](?!data:)", own)


def test_names_that_are_html_are_text_on_the_page(explained):
    found, _, _ = explained
    evil = "</script><script>alert(1)</script>"
    comparison, parameters = found.answers.comparison, found.parameters
    first, proposal = comparison.classes[0], found.proposals[0]
    changed = ChangedAnswer(1, 0, evil, evil, evil, "wrong")
    comparison = replace(
        comparison,
        names=(evil, *comparison.names[1:]),
        classes=(replace(first, name=evil), *comparison.classes[1:]),
        changed=(changed,),
    )
    outcomes = [replace(outcome, name=evil) for outcome in found.ablation.without]
    alone = {
        name: [replace(one, path=evil, best=evil) for one in own]
        for name, own in parameters.alone.items()
    }
    spoiled = replace(
        found,
        search=evil,
        model=replace(found.model, params={evil: evil}),
        ablation=replace(found.ablation, after_steps=outcomes, without=outcomes),
        answers=Answers(comparison, [{"text": evil}]),
        sensitivity={evil: next(iter(found.sensitivity.values()))},
        outcomes={evil: (LayerOutcome(evil, 1, reason=evil), LayerOutcome("head", 1, evil))},
        parameters=replace(parameters, alone=alone),
        proposals=[replace(proposal, changed={evil: evil})],
    )
    page = document(spoiled)
    assert evil not in page
    assert known.text(page).count(evil) >= 10


def test_a_regression_and_a_model_that_was_never_compressed(explained):
    found, _, _ = explained
    error = BeforeAfter(0.5, 0.625)
    changed = ChangedAnswer(7, 0, (1.0,), (0.5,), (0.25,))
    comparison = NumberComparison(3, (error,), error, 0.1, (changed,))
    found = replace(found, answers=Answers(comparison, [{"text": "x = 1"}]))
    page = document(found)
    assert "<td>0.625</td>" in page and "0.5 → 0.25" in known.text(page)
    found = replace(
        found,
        model=replace(found.model, parent_bytes=None),
        ablation=replace(found.ablation, after_steps=found.ablation.after_steps[:1], without=[]),
        parameters=Parameters(found.parameters.num_complete, {}, {}),
    )
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
    assert wanted >= 5
    drawn = ".js-plotly-plot:has(.main-svg)"
    WebDriverWait(browser, 120).until(
        lambda b: len(b.find_elements(By.CSS_SELECTOR, drawn)) == wanted
    )
    sizes = browser.execute_script(
        "return [...document.querySelectorAll('img')].map(i => i.naturalWidth)"
    )
    assert sizes == [8] * len(sizes)
    assert len(sizes) == len(found.answers.previews)
    errors = [e for e in browser.get_log("browser") if e["level"] == "SEVERE"]
    assert not errors
    shown = browser.find_element(By.TAG_NAME, "body").text
    assert all(sentence in shown for sentence in found.findings)
    browser.switch_to.default_content()
    browser.set_window_size(1220, 6100)
    picture(browser, "explain")
