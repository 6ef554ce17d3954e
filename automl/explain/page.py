"""explain.html: an explanation as one page, whole in itself, that can be mailed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from automl.explain import plots
from automl.explain.text import amount, setting, short
from automl.pareto import DIRECTIONS
from automl.tracking.pages import templates
from automl.tracking.pages.templates import escape

Found = dict[str, Any]


def write(found: Found, file: Path) -> None:
    file.write_text(document(found))


def document(found: Found) -> str:
    """The page of what `explain.explain` found; every text in it is escaped."""
    sections = (_techniques, _answers, _layers, _parameters, _next)
    title = f"{found['study']}: trial {found['trial_id']} explained"
    params = _table(("parameter", "value"), [(short(k), v) for k, v in found["params"].items()])
    findings = "".join(f"<li>{escape(sentence)}</li>" for sentence in found["findings"])
    body = (
        f'<h1>{escape(title)}</h1><div class="tiles">{"".join(_tiles(found))}</div>'
        f'<div class="summary"><h2>Findings</h2><ul>{findings}</ul></div>'
        f"{''.join(section(found) for section in sections)}"
        f"<details><summary>All parameters of this trial</summary>{params}</details>"
    )
    return templates.document(title, body, {"charts": plots.charts(found)})


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
        f'<div class="tile"><span>{escape(name)}</span><b>{escape(value)}</b>'
        f"<small>{escape(note)}</small></div>"
    )


def _techniques(found: Found) -> str:
    without, name = found["ablation"]["without"], found["quality"]
    whole = found["model"]["measured"]
    if not whole:
        return _section("What each technique bought", "The model could not be made again.")
    rows = [(f"<b>{escape('the model')}</b>", *_figures(whole, whole, name), "")]
    rows += [
        (f"without {escape(out['name'])}", *_figures(out["figures"], whole, name), _status(out))
        for out in without
    ]
    columns = ("recipe", name, "change", "bytes", "change", "latency", "")
    return _section(
        "What each technique bought",
        "The recipe was run again without one technique after the other, and after each of its "
        "steps; each file went through the gate and was measured as the search does.",
        _chart("waterfall"),
        _chart("bought"),
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
    return f"<i>{escape(out['status'])}: {escape(out['reason'])}</i>"


def _answers(found: Found) -> str:
    answers, has_parent = found["answers"], found["model"]["parent_bytes"] is not None
    intro = f"On the {answers['num_rows']} validation rows; the test rows stay untouched."
    if answers["task"] == "numbers":
        return _section("What the model answers", intro, _errors(answers), _changes(answers))
    parts = _chart("confusion"), _per_class(answers, has_parent), _changes(answers)
    return _section("What the model answers", intro, *parts)


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
        return f'<figure class="{kind}"><img src="{escape(item["picture"])}" alt="">{said}</figure>'
    return f'<figure class="long {kind}"><q>{escape(item["text"])}</q>{said}</figure>'


def _value(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(f"{number:.5g}" for number in value)
    return escape(value)


def _layers(found: Found) -> str:
    if not found["sensitivity"]:
        return ""
    return _section(
        "How much each layer bears",
        "Each layer alone in fewer bits, of fewer units or of lower rank: how far the answers "
        "move, as a share of their variance, on training rows.",
        *(_chart(f"sensitivity-{place}") for place in range(len(found["sensitivity"]))),
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
        _chart("importance"),
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
    return f"<section><h2>{title}</h2><p>{escape(intro)}</p>{''.join(parts)}</section>"


def _chart(name: str) -> str:
    """The place of one of the charts."""
    return f'<div id="{name}" class="chart"></div>'


def _table(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    return _raw_table(columns, [[escape(cell) for cell in row] for row in rows])


def _raw_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Cells are HTML."""
    cells = [[f"<td>{cell}</td>" for cell in row] for row in rows]
    return f'<div class="wide">{templates.table(columns, cells)}</div>'
