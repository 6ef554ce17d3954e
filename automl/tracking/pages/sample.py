"""A sample of a large search's trials: as many as a browser draws at once."""

from __future__ import annotations

from collections.abc import Sequence

from automl.tracking.pages.findings import FRONT, Point

MOST_DRAWN = 2000


def sampled(points: Sequence[Point]) -> list[Point]:
    """The front's points and, of many others, evenly many from the first to the last."""
    others = [point.record.id for point in points if point.group != FRONT]
    room = max(0, MOST_DRAWN - (len(points) - len(others)))
    if len(others) <= room:
        return list(points)
    kept = {others[place * len(others) // room] for place in range(room)}
    return [point for point in points if point.group == FRONT or point.record.id in kept]


def told(points: Sequence[Point]) -> str:
    """Tell how many of the points are drawn; "" where all are."""
    drawn = len(sampled(points))
    if drawn == len(points):
        return ""
    return f"{drawn:,} of {len(points):,} are drawn: the front, and evenly many of the others."
