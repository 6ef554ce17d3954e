"""The picture of a profile: the share of each layer in time, bytes, operations and memory."""

from __future__ import annotations

from pathlib import Path

from matplotlib.figure import Figure

from automl.errors import UserError
from automl.measure.layer_profile import LayerProfile
from automl.measure.profile_rows import ProfileRow, rows
from automl.tracking.pages import charts
from automl.tracking.pages.formats import with_unit

ENDINGS = (".png", ".svg")
MOST_ROWS = 40
PANELS = {
    "time_ms": ("time, ms", charts.BLUE),
    "num_bytes": ("weights in the file, bytes", charts.GREEN),
    "macs": ("multiply-accumulates", charts.AMBER),
    "activation_bytes": ("activations made, bytes", charts.GREY),
}
"""The panels from left to right, by the figure of a row."""


def check_picture(file: Path) -> None:
    """Raise UserError where a picture's file has another ending than a picture, or no folder."""
    if file.suffix not in ENDINGS:
        raise UserError(f"--picture {file}: name a file that ends in {' or '.join(ENDINGS)}")
    if not file.absolute().parent.is_dir():
        raise UserError(f"--picture {file}: there is no folder {file.parent}; make it first")


def save(picture: Figure, file: Path) -> None:
    """Write a picture. Raises UserError where that cannot be."""
    # A picture of the same figures has the same bytes.
    metadata = {"Date": None} if file.suffix == ".svg" else None
    try:
        picture.savefig(file, dpi=120, metadata=metadata)
    except OSError as error:
        raise UserError(f"cannot write --picture {file}: {error.strerror}") from None


def draw(profile: LayerProfile) -> Figure:
    """A bar for each row in each panel, from the first layer down; of very many the slowest."""
    every = rows(profile)
    slowest = sorted(every, key=lambda row: -row.time_ms)[:MOST_ROWS]
    shown = [row for row in every if row in slowest]
    picture = Figure(figsize=(13, 1.3 + 0.28 * len(shown)), layout="constrained")
    panels = picture.subplots(1, len(PANELS), sharey=True)
    for axes, (figure, (title, color)) in zip(panels, PANELS.items(), strict=True):
        values = [_value(row, figure) for row in shown]
        axes.barh(range(len(shown)), values, color=color)
        axes.set_title(title, fontsize=10, color=charts.INK)
        axes.ticklabel_format(axis="x", style="sci", scilimits=(-3, 5))
        axes.grid(axis="x", alpha=0.3)
    panels[0].set_yticks(range(len(shown)), [row.label for row in shown], fontsize=8)
    panels[0].invert_yaxis()
    totals = profile.totals
    time = with_unit("latency_ms", totals.latency_ms)
    picture.suptitle(
        f"{Path(profile.file).name}: {time}, {totals.size_bytes:,} bytes, "
        f"{totals.macs:,} MACs, activations at most {totals.peak_activation_bytes:,} bytes",
        fontsize=11,
        parse_math=False,
    )
    return picture


def _value(row: ProfileRow, figure: str) -> float:
    return float(vars(row)[figure])
