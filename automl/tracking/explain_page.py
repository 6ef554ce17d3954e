"""explain.html: an explanation as one page, whole in itself, that can be mailed."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from plotly.offline import get_plotlyjs

from automl.pareto import DIRECTIONS
from automl.sentences import amount, setting, short
from automl.tracking import explain_plots as plots

Found = dict[str, Any]
MAX_CLASSES = 30


def write(found: Found, file: Path) -> None:
    file.write_text(page(found))


def page(found: Found) -> str:
    """The page of what `explain.explain` found; every text in it is escaped."""
    sections = (_techniques, _answers, _layers, _parameters, _next)
    title = f"{found['study']}: trial {found['trial_id']} explained"
    return PAGE.format(
        title=_text(title),
        style=STYLE,
        plotly=get_plotlyjs(),
        tiles="".join(_tiles(found)),
        findings="".join(f"<li>{_text(sentence)}</li>" for sentence in found["findings"]),
        sections="".join(section(found) for section in sections),
        params=_table(("parameter", "value"), [(short(k), v) for k, v in found["params"].items()]),
    )


def _tiles(found: Found) -> Iterable[str]:
    recorded, name = found["model"]["recorded"], found["quality"]
    parent = found["model"]["parent_bytes"]
    share = f"{recorded['size_bytes'] / parent:.1%} of its parent's {parent:,}" if parent else ""
    low = "higher is better" if DIRECTIONS[name] == "max" else "lower is better"
    yield _tile(name, f"{recorded[name]:.4f}", low)
    yield _tile("bytes", f"{recorded['size_bytes']:,}", share)
    yield _tile("latency", f"{recorded['latency_ms']:.3g} ms", "one row, one thread")
    same = "exactly as recorded" if found["model"]["is_same"] else "not as recorded"
    yield _tile("made again", "equal" if found["model"]["is_same"] else "differs", same)


def _tile(name: str, value: str, note: str) -> str:
    return (
        f'<div class="tile"><span>{_text(name)}</span><b>{_text(value)}</b>'
        f"<small>{_text(note)}</small></div>"
    )


def _techniques(found: Found) -> str:
    without, name = found["ablation"]["without"], found["quality"]
    whole = found["model"]["measured"]
    if not whole:
        return _section("What each technique bought", "The model could not be made again.")
    rows = [(f"<b>{_text('the model')}</b>", *_figures(whole, whole, name), "")]
    rows += [
        (f"without {_text(out['name'])}", *_figures(out["figures"], whole, name), _status(out))
        for out in without
    ]
    columns = ("recipe", name, "change", "bytes", "change", "latency", "")
    return _section(
        "What each technique bought",
        "The recipe was run again without one technique after the other, and after each of its "
        "steps; each file went through the gate and was measured as the search does.",
        plots.waterfall(found),
        plots.bought(found),
        _raw_table(columns, rows),
    )


def _figures(own: dict[str, float], whole: dict[str, float], name: str) -> tuple[str, ...]:
    """Cells of one recipe's figures, with how they differ from the chosen model's."""
    if not own:
        return ("–",) * 5
    change, ratio = own[name] - whole[name], own["size_bytes"] / whole["size_bytes"]
    is_worse = (change < 0) == (DIRECTIONS[name] == "max")
    return (
        f"{own[name]:.4f}",
        _coloured(f"{change:+.4f}", is_worse) if change else "",
        f"{own['size_bytes']:,.0f}",
        _coloured(f"× {ratio:.2f}", ratio > 1) if ratio != 1 else "",
        f"{own['latency_ms']:.3g} ms",
    )


def _coloured(text: str, is_worse: bool) -> str:
    return f'<span class="{"worse" if is_worse else "better"}">{text}</span>'


def _status(out: Found) -> str:
    if out["status"] == "complete":
        return ""
    return f"<i>{_text(out['status'])}: {_text(out['reason'])}</i>"


def _answers(found: Found) -> str:
    answers, has_parent = found["answers"], found["model"]["parent_bytes"] is not None
    intro = f"On the {answers['num_rows']} validation rows; the test rows stay untouched."
    if answers["task"] == "numbers":
        return _section("What the model answers", intro, _errors(answers), _changes(answers))
    parts = [_per_class(answers, has_parent)]
    if len(answers["names"]) <= MAX_CLASSES:
        parts.insert(0, plots.confusion(answers))
    return _section("What the model answers", intro, *parts, _changes(answers))


def _per_class(answers: Found, has_parent: bool) -> str:
    times = ("before", "after") if has_parent else ("after",)
    keys = [f"{rate}_{time}" for rate in ("precision", "recall") for time in times]
    names = [key.replace("_", " ") + (" compression" if has_parent else "") for key in keys]
    names = names if has_parent else ["precision", "recall"]
    rows = [
        (c["name"], c["rows"], *("–" if c[key] is None else f"{c[key]:.3f}" for key in keys))
        for c in answers["classes"]
    ]
    return _table(("class", "rows", *names), rows)


def _errors(answers: Found) -> str:
    times = [time for time in ("before", "after") if f"rmse_{time}" in answers["outputs"][0]]
    rows = [(o["output"], *(f"{o[f'rmse_{t}']:.5g}" for t in times)) for o in answers["outputs"]]
    return _table(("output", *(f"rmse {time}" for time in times)), rows)


def _changes(answers: Found) -> str:
    shown = [item for item in answers["changed"] if "picture" in item or "text" in item]
    if not shown:
        return ""
    title = "The largest changes"
    if answers["task"] == "classes":
        title = f"Rows answered otherwise: {len(shown)} of {len(answers['changed'])}"
    return f'<h3>{title}</h3><div class="cards">{"".join(map(_card, shown))}</div>'


def _card(item: Found) -> str:
    kind = item.get("became", "").split(" ")[0]
    said = (
        f"<b>{_value(item['before'])} → {_value(item['after'])}</b>"
        f"<small>true: {_value(item['target'])}, row {item['row']}</small>"
    )
    if "picture" in item:
        return f'<figure class="{kind}"><img src="{_text(item["picture"])}" alt="">{said}</figure>'
    return f'<figure class="wide {kind}"><q>{_text(item["text"])}</q>{said}</figure>'


def _value(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(f"{number:.5g}" for number in value)
    return _text(value)


def _layers(found: Found) -> str:
    if not found["sensitivity"]:
        return ""
    return _section(
        "How much each layer bears",
        "Each layer alone in fewer bits, of fewer units or of lower rank: how far the answers "
        "move, as a share of their variance, on training rows.",
        *(plots.sensitivity(label, own) for label, own in found["sensitivity"].items()),
    )


def _parameters(found: Found) -> str:
    count = found["num_complete"]
    if not found["importance"]:
        return _section("Which parameters matter", f"{count} complete trials are too few to say.")
    pairs = [
        (name, short(p["first"]), short(p["second"]), f"{p['share']:.1%}", p["num_trials"])
        for name, own in found["interactions"].items()
        for p in own
        if p["is_clear"]
    ]
    acting = "<p>No pair of parameters stands out, or too few trials have both.</p>"
    columns = ("objective", "parameter", "with", "variance explained only together", "trials")
    return _section(
        "Which parameters matter",
        f"PED-ANOVA over {count} complete trials: how well a parameter tells the best fifth from "
        "the rest, beyond what shuffled results give. Grey may be chance.",
        plots.importance(found["importance"]),
        "<h3>Which act together</h3>",
        _table(columns, pairs) if pairs else acting,
    )


def _next(found: Found) -> str:
    names = found["objectives"]
    rows = [
        (
            f"compresses trial {p['parent']} anew" if p["parent"] else "a new training",
            setting(p["changed"]) or "the same again",
            *(_range(name, p["expected"].get(name)) for name in names),
            "–" if p["gain"] is None else f"{p['gain']:.2g}",
        )
        for p in found["next"]
    ]
    columns = ("proposal", "what is new in it", *names, "expected gain of hypervolume")
    return _section(
        "What the search would try next",
        "The next draws of the search's own proposer, with what its models expect: likely, and "
        "one standard deviation to either side.",
        _table(columns, rows),
    )


def _range(name: str, expected: Sequence[float] | None) -> str:
    if expected is None:
        return "–"
    low, likely, high = (amount(name, value) for value in expected)
    return f"{likely} ({low} to {high})"


def _section(title: str, intro: str, *parts: str) -> str:
    return f"<section><h2>{title}</h2><p>{_text(intro)}</p>{''.join(parts)}</section>"


def _table(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    return _raw_table(columns, [[_text(cell) for cell in row] for row in rows])


def _raw_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Cells are HTML."""
    head = "".join(f"<th>{_text(column)}</th>" for column in columns)
    body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    return f"<div class='scroll'><table><tr>{head}</tr>{body}</table></div>"


def _text(value: Any) -> str:
    return html.escape(str(value))


STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #1f2933; background: #f4f6f8; margin: 0 }
main { max-width: 1100px; margin: 0 auto; padding: 24px 20px 60px }
h1 { font-size: 24px; margin: 0 0 16px } h2 { font-size: 19px; margin: 0 0 4px }
h3 { font-size: 15px; margin: 20px 0 8px }
section, .findings, details { background: #fff; border: 1px solid #e1e6eb; border-radius: 8px;
  padding: 18px 22px; margin: 16px 0 }
section > p { color: #52606d; margin: 0 0 12px }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(180px, 1fr)); gap: 12px }
.tile { background: #fff; border: 1px solid #e1e6eb; border-radius: 8px; padding: 12px 16px }
.tile span, .tile small { display: block; color: #52606d } .tile b { font-size: 24px }
.findings ul { margin: 0; padding-left: 20px } .findings li { margin: 4px 0 }
.scroll { overflow-x: auto } table { border-collapse: collapse; width: 100%; font-size: 14px }
th { text-align: left; color: #52606d; font-weight: 600; border-bottom: 2px solid #e1e6eb }
th, td { padding: 5px 12px 5px 0; vertical-align: top } td { border-bottom: 1px solid #eef1f4;
  font-variant-numeric: tabular-nums }
.worse { color: #b42318 } .better { color: #067647 }
.cards { display: flex; flex-wrap: wrap; gap: 10px }
figure { margin: 0; border: 1px solid #e1e6eb; border-top: 4px solid #98a2b3; border-radius: 6px;
  padding: 8px; width: 108px; text-align: center } figure.wide { width: 320px; text-align: left }
figure.wrong { border-top-color: #d92d20 } figure.right { border-top-color: #12a150 }
figure img { width: 96px; image-rendering: pixelated; display: block; margin: 0 auto 6px }
figure b, figure small, figure q { display: block } figure small { color: #52606d; font-size: 12px }
summary { cursor: pointer; font-weight: 600 }
"""

PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>{style}</style><script>{plotly}</script></head><body><main>
<h1>{title}</h1>
<div class="tiles">{tiles}</div>
<div class="findings"><h2>Findings</h2><ul>{findings}</ul></div>
{sections}
<details><summary>All parameters of this trial</summary>{params}</details>
</main></body></html>
"""
