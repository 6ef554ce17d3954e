"""Wishes for data of a user's own, and the dataset config that was found in it."""

from __future__ import annotations

from dataclasses import dataclass

from automl.data.dataset import Dataset


@dataclass(frozen=True)
class Wanted:
    """The wishes of a user who gives data alone; "" is none.

    `task` is "classification" or "regression". Pictures are made at most `picture_side` pixels
    high and wide.
    """

    target: str = ""
    task: str = ""
    picture_side: int = 64


@dataclass(frozen=True)
class Detected:
    """A dataset found in a file or folder, and sentences on how it was told from others."""

    dataset: Dataset
    told: tuple[str, ...]
