"""Pictures and figures of the docs, made by running the gallery: `make docs-pictures`.

Every page of the gallery is run as it stands, in a folder of its own under build/pictures. Its
front is drawn, and its table of figures renewed. `ONLY="digits names"` takes these pages alone,
and `ONLY=architecture` draws the architecture page's picture (by mermaid, which npm gets).
"""

import argparse
import html
import json
import re
import shutil
import subprocess
import time

import matplotlib
from PIL import Image

matplotlib.use("svg")
from matplotlib import pyplot

from automl.engine.searches import Search, open_study
from automl.home import Home
from automl.pareto import DIRECTIONS
from automl.study import selection
from helpers.pages import DOCS, ROOT, Fence, fences, run

PICTURES = DOCS / "pictures"
GALLERY = DOCS / "gallery"
WORK = ROOT / "build" / "pictures"
FIGURES = re.compile(r"<!-- figures: (\w+) -->\n.*?<!-- end -->", re.DOTALL)
BLUE, GREY, AMBER, INK = "#0b6e99", "#9aa5b1", "#d9822b", "#1f2933"
DIAGRAM = """<body><pre class="mermaid">TEXT</pre>
<script src="package/dist/mermaid.min.js"></script>
<script>mermaid.initialize({theme: "neutral"})</script>
"""
BENCHMARKS = ("samplers", "peers", "stop_rule")


def run_page(page):
    """Run a page of the gallery in a fresh folder; returns that and the seconds it took."""
    folder = WORK / page.stem
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    started = time.monotonic()
    printed = [run(folder, fence) for fence in fences(page) if fence.language != "text"]
    (folder / "printed.txt").write_text("\n".join(printed))
    return folder, time.monotonic() - started


def draw(search, file):
    """Draw every measured model of a search, its front and the knee, quality over bytes."""
    members, quality = search.front(), search.study.settings.objectives[0]
    knee = selection.knee_of(members, search.study.settings.axes)
    measured = [record.values for record in search.study.measured()]
    line = sorted((r.values["size_bytes"], r.values[quality]) for r in members)
    best = min([y for _, y in line]), max([y for _, y in line])
    pyplot.rcParams.update({"svg.fonttype": "none", "font.family": "sans-serif", "font.size": 11})
    figure, axes = pyplot.subplots(figsize=(7.2, 3.8), layout="constrained")
    sizes, values = [m["size_bytes"] for m in measured], [m[quality] for m in measured]
    axes.scatter(sizes, values, s=16, color=GREY, label="measured", zorder=2)
    axes.plot(*zip(*line), "o", color=BLUE, markersize=6, label="front", zorder=3)
    at = knee.values["size_bytes"], knee.values[quality]
    axes.plot(*at, "o", color=AMBER, markersize=9, label="knee", zorder=4)
    axes.annotate(
        f"{at[1]:.3f}, {at[0]:,} bytes",
        at,
        textcoords="offset points",
        xytext=(10, -16),
        color=INK,
    )
    span = (best[1] - best[0]) or abs(best[1]) or 1.0
    low, high = best[0] - 0.5 * span, best[1] + 0.5 * span
    if DIRECTIONS[quality] == "max":
        axes.set_ylim(max(low, min(values) - 0.05 * span), best[1] + 0.15 * span)
    else:
        axes.set_ylim(best[0] - 0.15 * span, min(high, max(values) + 0.05 * span))
    axes.set(xscale="log", xlabel="bytes of the file", ylabel=quality.replace("_", " "))
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.grid(alpha=0.25, zorder=0)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, loc="lower right")
    figure.savefig(file, metadata={"Date": None})
    pyplot.close(figure)


def table(search, folder, seconds):
    """The figures of a page, as a table: the search, and the model that was exported."""
    summary = search.summary()
    measured = json.loads((folder / "out" / "measurement.json").read_text())
    name = measured["quality"][0]
    low, high = measured[f"test_{name}_95"]
    trials = ", ".join(f"{n} {status}" for status, n in summary.trials.items() if n)
    rows = {
        "trials": trials,
        "members of the front": len(summary.front),
        "time": f"{seconds:.0f} s, of which the search {summary.seconds:.0f} s",
        f"exported: {name} on test rows": f"{measured['test'][name]:.3f} "
        f"(95 % interval {low:.3f} to {high:.3f}, {len(measured['test_rows'])} rows)",
        "its file": f"{measured['test']['size_bytes']:,} bytes",
        "the largest uncompressed model": f"{len(search.study.reference):,} bytes",
    }
    return "\n".join(
        ["| | |", "|---|---|", *(f"| {key} | {value} |" for key, value in rows.items())]
    )


def make(page):
    """Run a page, draw its front, and write its figures into it."""
    text = page.read_text()
    (name,) = FIGURES.findall(text)
    folder, seconds = run_page(page)
    home = Home(folder / "automl-home")
    search = Search(open_study(home, name), home)
    draw(search, PICTURES / f"gallery-{page.stem}.svg")
    made = f"<!-- figures: {name} -->\n{table(search, folder, seconds)}\n<!-- end -->"
    page.write_text(FIGURES.sub(lambda _: made, text))
    if page.stem == "digits":
        draw(search, PICTURES / "digits-front.svg")
        photograph_report(folder)
    print(f"{page.stem}: {seconds:.0f} s", flush=True)


def photograph_report(folder):
    """Take a picture of the digits search's report, as a browser shows it."""
    run(folder, Fence(GALLERY, 0, "sh", "automl front digits --html report.html", ""))
    photograph(folder / "report.html", PICTURES / "digits-report.webp", 1200, 1500)


def photograph(page, picture, width, height):
    """Take a picture of a local page, without a network."""
    shot = page.with_suffix(".png")
    options = ["--headless", "--no-sandbox", "--hide-scrollbars", "--virtual-time-budget=8000"]
    size = [f"--window-size={width},{height}", f"--screenshot={shot}", f"file://{page}"]
    browser = shutil.which("chromium") or "google-chrome"
    subprocess.run([browser, *options, *size], check=True, capture_output=True)
    Image.open(shot).convert("RGB").save(picture, quality=80)


def draw_architecture():
    """Draw the mermaid text of the architecture page."""
    folder = WORK / "architecture"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    subprocess.run(
        "npm pack mermaid@12 && tar xzf mermaid-*.tgz", shell=True, cwd=folder, check=True
    )
    (text,) = [f.text for f in fences(DOCS / "architecture.md") if f.language == "mermaid"]
    page = folder / "page.html"
    page.write_text(DIAGRAM.replace("TEXT", html.escape(text)))
    photograph(page, PICTURES / "architecture.webp", 800, 1440)


def convert_benchmarks():
    """Copy the benchmarks' charts, small."""
    for name in BENCHMARKS:
        picture = Image.open(ROOT / "tests" / "benchmarks" / "results" / f"{name}.png")
        picture.convert("RGB").save(PICTURES / f"{name}.webp", quality=80)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", nargs="*", default=[])
    only = parser.parse_args().only
    convert_benchmarks()
    if not only or "architecture" in only:
        draw_architecture()
    for page in sorted(GALLERY.glob("*.md")):
        if page.stem != "index" and (not only or page.stem in only):
            make(page)
