"""The slots of a search over time: what each worked on, and where it stood idle."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from automl.study import timeline
from automl.study.timeline import Stay
from automl.tracking.pages import charts
from automl.tracking.pages.charts import AMBER, BLUE, GREEN, GREY, LAYOUT, PALE
from automl.tracking.pages.findings import Findings
from automl.tracking.pages.formats import duration

COMPLETE, REFIT, PAUSED, EXPORT, LOST = (
    *("trials", "refits", "trials paused", "their exports"),
    "without a model",
)
COLORS = {COMPLETE: BLUE, REFIT: GREEN, PAUSED: GREY, LOST: PALE, EXPORT: AMBER}
MAX_STAYS = 1000


def chart(findings: Findings) -> go.Figure:
    """A line for each slot, a bar for each stay of a trial in it, the last part of it the export.

    Of very many stays only the last are drawn.
    """
    stays = timeline.in_lanes(findings.stays)[-MAX_STAYS:]
    drawn = go.Figure()
    for kind, color in COLORS.items():
        own = [s for s in stays if (kind == EXPORT and "export" in s.stages) or kind == _kind(s)]
        if own:
            drawn.add_bar(
                y=[f"slot {stay.slot}" for stay in own],
                base=[findings.at(_since(stay, kind)) for stay in own],
                x=[stay.ended - _since(stay, kind) for stay in own],
                orientation="h",
                name=kind,
                marker={"color": color, "line": {"color": "white", "width": 1}},
                text=[f"{stay.trial}, {duration(stay.seconds)}" for stay in own],
                hovertemplate="%{text}<extra></extra>",
                textposition="none",
            )
    num_slots = len({stay.slot for stay in stays})
    drawn.update_layout(LAYOUT, template="none", barmode="overlay", height=110 + 26 * num_slots)
    drawn.update_layout(legend={"orientation": "h", "y": 1.02, "yanchor": "bottom"})
    drawn.update_xaxes(charts.AXIS, title={**charts.TITLE, "text": "seconds of searching"})
    drawn.update_yaxes(charts.AXIS, autorange="reversed", showgrid=False)
    return drawn


def busy_share(stays: Sequence[Stay]) -> float:
    """The share of the slots' time, from the first stay to the last, in which they worked."""
    lanes = {stay.slot for stay in timeline.in_lanes(stays)}
    span = max(stay.ended for stay in stays) - min(stay.begun for stay in stays)
    worked = sum(stay.ended - stay.begun for stay in stays)
    return worked / max(1e-9, span * len(lanes))


def _kind(stay: Stay) -> str:
    if stay.status == "paused":
        return PAUSED
    if stay.status != "complete":
        return LOST
    return REFIT if stay.is_refit else COMPLETE


def _since(stay: Stay, kind: str) -> float:
    """When what is drawn of a stay began: the export is the last that a trial does."""
    return stay.ended - stay.stages["export"] if kind == EXPORT else stay.begun
