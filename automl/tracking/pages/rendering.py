"""Renders pages from their templates; a page is whole in one file, with plotly.js packed in."""

from __future__ import annotations

import base64
import gzip
from collections.abc import Mapping
from functools import cache
from importlib import resources

import plotly.graph_objects as go
from jinja2 import Environment, PackageLoader, StrictUndefined
from plotly.offline import get_plotlyjs

from automl.pareto import DIRECTIONS
from automl.tracking.pages import formats, sample

FORMATS = (
    *(formats.count, formats.difference, formats.duration, formats.figure, formats.named),
    *(formats.parameter, formats.parameters, formats.short, formats.uncertain, formats.with_unit),
)


def page(template: str, charts: Mapping[str, go.Figure], **values: object) -> str:
    """A page with its charts by the ids of their places in it.

    `front`, among the values, is what the front's script draws.
    """
    drawn = {name: chart.to_plotly_json() for name, chart in charts.items()}
    return render(template, charts=drawn, **values)


def render(template: str, **values: object) -> str:
    """A template's text; whatever goes into an HTML template is escaped."""
    return _environment().get_template(template).render(values)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("automl.tracking.pages"),
        autoescape=lambda name: name is None or name.endswith(".html.j2"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.policies["json.dumps_kwargs"] = {"separators": (",", ":")}
    functions = (*FORMATS, _asset, _plotly, sample.told)
    environment.globals |= {function.__name__.lstrip("_"): function for function in functions}
    environment.globals["better"] = DIRECTIONS
    return environment


def _asset(name: str) -> str:
    return (resources.files("automl.tracking.pages") / name).read_text(encoding="utf-8")


@cache
def _plotly() -> str:
    """plotly.js, packed to a third: pages are sent by mail, and to a tracking server."""
    return base64.b64encode(gzip.compress(get_plotlyjs().encode(), mtime=0)).decode()
