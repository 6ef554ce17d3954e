"""A front as the terminal shows it."""

import re
from dataclasses import replace

import pytest
from helpers.small_study import SETTINGS, complete, make_study

from automl.cli import render

OBJECTIVES = ("accuracy", "size_bytes")


def scatter(capsys, front, *others, objectives=OBJECTIVES):
    members, rest = ([dict(zip(objectives, f)) for f in group] for group in (front, others))
    render.scatter(objectives, members, members + rest)
    return capsys.readouterr().out.splitlines()


def test_the_front_is_drawn_over_what_it_dominates(capsys):
    front = [(0.9, 1_000), (0.95, 10_000), (0.98, 100_000)]
    name, *rows = scatter(capsys, front, (0.9, 100_000), (0.98, 100_000), (0.1, 5_000))
    assert name.split() == ["accuracy"]
    rows, (axis, ends, legend) = rows[: render.ROWS], rows[render.ROWS :]
    assert (rows[0].count("●"), rows[0][-1]) == (1, "●"), "the best and largest: top right"
    middle = next(row for row in rows[1:] if "●" in row)
    assert middle.index("●") - axis.index("└") - 1 == render.COLUMNS // 2, (
        "sizes by their logarithm"
    )
    assert sum(row.count("●") for row in rows) == 3
    assert sum(row.count("·") for row in rows) == 1, "one is under the front, one is far below"
    assert (rows[0].split()[0], rows[-1].split()[0]) == ("0.98", "0.86")
    assert ends.split() == ["1,000", "100,000", "size_bytes"]
    assert legend.split("; ")[1] == "1 lower ones are left out"


def test_less_is_better_is_drawn_at_the_top(capsys):
    front = [(0.5, 1_000), (0.2, 2_000)]
    _, first, *rest = scatter(capsys, front, objectives=("rmse", "size_bytes"))
    assert first.split()[0] == "0.2" and first.endswith("●")
    assert rest[render.ROWS - 2].split()[0] == "0.65"


@pytest.mark.parametrize("front", [[], [(0.9, 1_000)]])
def test_few_models_are_drawn_too(capsys, front):
    lines = scatter(capsys, front)
    assert sum(line.count("●") for line in lines[: render.ROWS]) == len(front)


def test_colours_are_for_terminals(capsys, monkeypatch):
    assert "\x1b" not in "".join(scatter(capsys, [(0.9, 1_000)]))
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert "\x1b[" in "".join(scatter(capsys, [(0.9, 1_000)]))


ROW = {"trial": "0007-refit", "accuracy": 0.97, "size_bytes": 123456789, "latency_ms": 0.1234}


@pytest.mark.parametrize(
    "more", [{}, {"rmse": 1234.5, "macro_f1": 0.5, "load_ms": 12.3, "r2": 0.1}]
)
def test_no_figure_is_cut_on_a_narrow_terminal(capsys, monkeypatch, more):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "60")
    render.table([{**ROW, **more, "model": "a long description of what it is made of"}] * 2)
    shown = re.sub(r"\x1b\[[\d;]*m", "", capsys.readouterr().out)
    assert all(len(line.rstrip()) <= 60 for line in shown.splitlines())
    for figure in ("0.9700", "123,456,789", "0.123", *["1234.5000"] * bool(more)):
        assert len(re.findall(rf"\b{re.escape(figure)}\b", shown)) == 2


def test_a_figure_is_shown_with_its_error(capsys):
    errors = {"accuracy": 0.0087, "latency_ms": 2.31e-05, "load_ms": 12.0}
    values = {"accuracy": 0.97214, "latency_ms": 0.00826, "load_ms": 230.0, "size_bytes": 2995}
    cells = {name: render.Measured(name, value, errors) for name, value in values.items()}
    render.table([cells])
    shown = " ".join(capsys.readouterr().out.splitlines()[3].split())
    assert shown == "0.9721 ± 0.009 0.00826 ± 0.00002 230 ± 12 2,995"


def test_names_in_brackets_are_no_markup(capsys):
    render.table([{"[red]name": "[bold]text", "n": 1}])
    printed = capsys.readouterr().out
    assert "[red]name" in printed and "[bold]text" in printed


def test_a_front_that_is_empty_says_why(capsys, tmp_path):
    settings = replace(SETTINGS, constraints=("size_bytes<=10",))
    for number, (results, why) in enumerate(
        (([], "no trial is complete yet"), ([complete(0.9, 99)], "no complete trial meets size"))
    ):
        study = make_study(tmp_path / str(number), *results, settings=settings)
        render.search(study, as_json=False)
        assert capsys.readouterr().out.startswith(f"the front is empty: {why}")
