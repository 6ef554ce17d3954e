"""The command that tells what each layer of a file costs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from automl.cli import render
from automl.cli.parameters import BatchOption, JsonOption, ProviderOption, ThreadsOption

if TYPE_CHECKING:
    from automl.measure.layer_profile import LayerProfile

READINGS = {
    "peak_memory_bytes": ("memory of a process beyond the runtime's own, at most", "bytes"),
    "energy_mj": ("energy of a call", "mJ"),
}
"""The words for a figure that not every machine tells, and its unit."""


def profile(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="OUT|FILE", help="The folder that `automl export` wrote, or any .onnx file."
        ),
    ],
    provider: ProviderOption = "CPU",
    threads: ThreadsOption = 1,
    batch: BatchOption = 1,
    picture: Annotated[
        Path | None,
        typer.Option(help="Draw it into this file, .svg or .png.", show_default="none"),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Tell the time, bytes, operations and memory of each layer of a file."""
    from automl.engine.profiled import profiled
    from automl.runtimes.onnx import OnnxRuntime
    from automl.runtimes.providers import provider_named
    from automl.tracking.pages import profile_picture

    if picture is not None:
        profile_picture.check_picture(picture)
    runtime = OnnxRuntime(provider=provider_named(provider), threads=threads, batch=batch)
    found = profiled(file, runtime)
    if picture is not None:
        profile_picture.save(profile_picture.draw(found), picture)
    if as_json:
        render.as_json(found.as_json())
    else:
        _print(found)


def _print(found: LayerProfile) -> None:
    """A row for each layer, the totals, and what could not be read."""
    from automl.measure.profile_rows import rows

    totals = found.totals
    render.table(
        [
            {
                "layer": row.name,
                "operator": row.operator,
                "shapes": row.shapes,
                "time_ms": f"{row.time_ms:.4f}",
                "time": _share(row.time_ms, totals.latency_ms),
                "bytes": row.num_bytes,
                "share": _share(row.num_bytes, totals.size_bytes),
                "macs": row.macs,
                "makes_bytes": row.activation_bytes,
            }
            for row in rows(found)
        ]
    )
    print(
        f"in all {totals.latency_ms:.4f} ms, {totals.size_bytes:,} bytes, {totals.macs:,} "
        f"multiply-accumulates; activations take at most {totals.peak_activation_bytes:,} bytes"
    )
    for name, reading in found.readings.items():
        what, unit = READINGS[name]
        value = None if reading.value is None else f"{reading.value:,.10g} {unit}"
        print(f"{what}: {value or f'not known, {reading.why_none}'}")
    for sentence in found.sentences():
        print(f"note: {sentence}")


def _share(part: float, whole: float) -> str:
    return f"{part / whole:.1%}" if whole else ""
