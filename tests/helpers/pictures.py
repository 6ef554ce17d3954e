"""Pictures and figures of the docs, made by running the gallery: `make docs-pictures`.

Every page of the gallery is run as it stands, in a folder of its own under build/pictures. Its
front is drawn, and its table of figures renewed; of the digits page also what README and docs
show of its search. `ONLY="digits names"` takes these pages alone,
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
from matplotlib.ticker import LogLocator, NullFormatter

from automl.engine.searches import Search, open_study
from automl.home import Home
from automl.pareto import DIRECTIONS
from automl.study import selection
from helpers import transcripts
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
BENCHMARKS = ("samplers", "peers", "stop_rule", "runtimes")


def run_page(page):
    """Run a page of the gallery in a fresh folder, and note the seconds it took; returns that."""
    folder = WORK / page.stem
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    started = time.monotonic()
    printed = [run(folder, fence) for fence in fences(page) if fence.language != "text"]
    (folder / "printed.txt").write_text("\n".join(printed))
    (folder / "seconds.txt").write_text(f"{time.monotonic() - started:.0f}")
    return folder


def draw(search, file):
    """Draw every measured model of a search by quality and bytes, the front of these two, the
    knee of the whole front."""
    quality = search.study.settings.objectives[0]
    sign = 1 if DIRECTIONS[quality] == "max" else -1
    every = [(r.values["size_bytes"], r.values[quality]) for r in search.study.measured()]
    best = staircase(every, sign)
    knee = selection.knee_of(search.study.front().members, search.study.settings.axes)
    at = knee.values["size_bytes"], knee.values[quality]
    pyplot.rcParams.update(
        {
            "svg.fonttype": "none",
            "svg.hashsalt": "automl",
            "font.family": "sans-serif",
            "font.size": 11,
        }
    )
    figure, axes = pyplot.subplots(figsize=(7.6, 3.8), layout="constrained")
    axes.scatter(*zip(*every), s=18, color=GREY, label="measured", zorder=2)
    axes.step(*zip(*best), "o-", where="post", color=BLUE, markersize=6, label="front", zorder=3)
    axes.plot(*at, "o", color=AMBER, markersize=10, label="knee of all objectives", zorder=4)
    said = f"{at[1]:.3f} in {at[0]:,} bytes"
    axes.annotate(said, at, (12, -18), textcoords="offset points", color=INK, zorder=5)
    values = [value for _, value in (*best, at)]
    span = (max(values) - min(values)) or 0.1 * abs(max(values)) or 1.0
    top, end = (max(values), min(values)) if sign > 0 else (min(values), max(values))
    axes.set_ylim(*sorted((top + sign * 0.2 * span, end - sign * 1.5 * span)))
    axes.set(xscale="log", xlabel="bytes of the file", ylabel=quality.replace("_", " "))
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.grid(alpha=0.25, zorder=0)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, loc="lower right")
    figure.savefig(file, metadata={"Date": None})
    pyplot.close(figure)


def staircase(points, sign):
    """Points (bytes, quality) that no smaller one reaches, from the smallest on."""
    best = []
    for size, value in sorted(points, key=lambda point: (point[0], -sign * point[1])):
        if not best or sign * value > sign * best[-1][1]:
            best.append((size, value))
    return best


def table(search, folder):
    """The figures of a page, as a table: the search, and the model that was exported."""
    summary = search.summary()
    measured = json.loads((folder / "out" / "measurement.json").read_text())
    name = measured["quality"][0]
    low, high = measured[f"test_{name}_95"]
    all_seconds = (folder / "seconds.txt").read_text().strip()
    trials = ", ".join(f"{n} {status}" for status, n in summary.trials.items() if n)
    rows = {
        "trials": trials,
        "members of the front": len(summary.front),
        "time": f"{all_seconds} s, of which the search {summary.seconds:.0f} s",
        f"exported: {name} on test rows": f"{measured['test'][name]:.3f} "
        f"(95 % interval {low:.3f} to {high:.3f}, {len(measured['test_rows'])} rows)",
        "its file": f"{measured['test']['size_bytes']:,} bytes",
        "the largest uncompressed model": f"{len(search.study.reference):,} bytes",
    }
    return "\n".join(
        ["| | |", "|---|---|", *(f"| {key} | {value} |" for key, value in rows.items())]
    )


def make(page, kept):
    """Run a page, or take the run that was `kept`; draw its front, write its figures into it."""
    text = page.read_text()
    (name,) = FIGURES.findall(text)
    folder = WORK / page.stem if kept else run_page(page)
    home = Home(folder / "automl-home")
    search = Search(open_study(home, name), home)
    draw(search, PICTURES / f"gallery-{page.stem}.svg")
    made = f"<!-- figures: {name} -->\n{table(search, folder)}\n<!-- end -->"
    page.write_text(FIGURES.sub(lambda _: made, text))
    if page.stem == "digits":
        draw(search, PICTURES / "digits-front.svg")
        photograph_report(folder)
        transcripts.renew(page, folder)


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
    parser.add_argument("--kept", action="store_true", help="draw from the runs that are there")
    given = parser.parse_args()
    only = given.only
    convert_benchmarks()
    if not only or "architecture" in only:
        draw_architecture()
    for page in sorted(GALLERY.glob("*.md")):
        if page.stem != "index" and (not only or page.stem in only):
            make(page, given.kept)
