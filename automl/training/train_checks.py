"""Checks of what a training step is made of, before anything is trained."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from automl.data.dataset import DatasetInfo
from automl.errors import UserError, unknown
from automl.recipe import Sibling
from automl.training.augmentation import Augmentation
from automl.training.parallel import Parallelism
from automl.training.schedules import Schedule

CHECKED_PLACES = [i / 100 for i in range(100)]


def check_course(label: str, name: str, schedule: Schedule | None, least: float) -> None:
    """Raise UserError where a schedule of a step falls below its least number, or is endless."""
    values = [schedule.at(place) for place in CHECKED_PLACES] if schedule else []
    if not all(least <= value < math.inf for value in values):
        raise UserError(
            f"{name} of step {label!r} runs from {min(values):g} to {max(values):g}; "
            f"hold it at {least} or more, e.g. with Clipped"
        )


def check_augmentations(
    label: str, augmentations: Sequence[Augmentation], mixes_up: bool, info: DatasetInfo
) -> None:
    """Raise UserError where an augmentation of a step does not suit the rows of a dataset."""
    if info.num_tokens and (augmentations or mixes_up):
        raise UserError(f"step {label!r} augments numbers, but the data is text; leave it out")
    space = len(info.input_shape) - 1
    for augmentation in augmentations:
        if not space or augmentation.needs_space not in (None, space):
            raise UserError(
                f"step {label!r} augments with {type(augmentation).__name__}, which does "
                f"not suit rows of shape {info.input_shape}; leave it out"
            )


def check_scales_gradients(label: str, parallelism: Parallelism) -> None:
    """Raise UserError where a parallelism cannot scale the gradients of fp16."""
    if not parallelism.scales_gradients:
        raise UserError(
            f"step {label!r} trains in fp16, whose gradients "
            f"{type(parallelism).__name__} cannot scale; take bf16"
        )


def check_choice(label: str, name: str, value: str, known: Iterable[str]) -> None:
    """Raise UserError where a field of a step is none of the words that it may be."""
    if value not in known:
        raise UserError(unknown(f"{name} of step {label!r}", value, [*known]))


def check_teacher(label: str, teacher: str | Sibling, before: Sequence[str]) -> None:
    """Raise UserError where the teacher of a step is none of the steps `before` it, by label, and
    no sibling that can be trained."""
    if isinstance(teacher, Sibling):
        teacher.check()
    elif teacher and teacher not in before:
        raise UserError(
            f"step {label!r} distils from {teacher!r}, which is no step "
            f"before it; name one of: {', '.join(before) or '(none stands before it)'}"
        )
