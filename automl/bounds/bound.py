"""Lower bounds of a trial's file, and estimates of its steps' work, before any training."""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from automl.bounds.file_bytes import least_bytes
from automl.config import Config, canonical, parts
from automl.data import dataset
from automl.data.dataset import DatasetInfo
from automl.errors import Rejected
from automl.faults import Faults
from automl.models.possible_network import PossibleNetwork, before_any_step
from automl.recipe import Sibling, Step
from automl.space.space import TrialConfig
from automl.space.store_keys import sibling_config


@dataclass(frozen=True)
class Bound:
    """Figures of a trial that are known before it runs.

    `size_bytes` and `macs`, the multiply-accumulates for one row, are lower bounds; 0 where
    nothing is known, which refuses no trial. `steps` estimates each step's work in
    multiply-accumulates, a sibling's as "label.teacher". A trial that `is_rejected` has a step
    that does not suit its model.
    """

    size_bytes: int
    macs: int
    steps: dict[str, int]
    is_rejected: bool = False


def bound(config: TrialConfig, info: DatasetInfo, num_rows: int) -> Bound:
    """The bound of a trial on `num_rows` training rows."""
    networks, work = before_any_step(config.model, info), dict[str, int]()
    is_rejected = not all(_suits(step, one) for step in config.recipe for one in networks)
    macs, by_label = _expected_macs(networks, 0.0), dict[str, float]()
    for step in config.recipe:
        if isinstance(step.teacher, Sibling):
            taught = bound(sibling_config(config, step.teacher), info, num_rows)
            teacher = float(taught.macs)
            work[f"{step.label}.teacher"] = sum(taught.steps.values())
        else:
            teacher = by_label.get(step.teacher, 0.0)
        rows_for_layers = [_rows_for_layers(step, network) for network in networks]
        networks = [after for network in networks for after in _after(step, network)]
        before, macs = macs, _expected_macs(networks, macs)
        by_label[step.label] = macs
        for_layers = before * sum(rows_for_layers) / max(1, len(rows_for_layers))
        work[step.label] = round(step.work(before, macs, teacher, num_rows) + for_layers)
    return Bound(
        size_bytes=min(map(least_bytes, networks), default=0),
        macs=min((network.shape.macs for network in networks), default=0),
        steps=work,
        is_rejected=is_rejected,
    )


UNKNOWN = Bound(0, 0, {})


class Bounds:
    """The bounds of configs, each kept as long as its config; a dataset is read once.

    With `faults` a bound that raises is noted there and taken to be unknown: a class of the
    user's may be such that nothing can be told of it before, and its trial runs all the same.
    """

    def __init__(self, cache: Path, faults: Faults | None = None) -> None:
        self.cache, self.faults = cache, faults
        self.datasets: dict[tuple[str, int], tuple[DatasetInfo, int]] = {}
        self.bounds: dict[int, Bound] = {}

    def __call__(self, config: TrialConfig) -> Bound:
        known = self.bounds.get(id(config))
        if known is None:
            known = self.bounds[id(config)] = self._known_or_unknown(config)
            weakref.finalize(config, self.bounds.pop, id(config), None).atexit = False
        return known

    def _known_or_unknown(self, config: TrialConfig) -> Bound:
        try:
            return self._bound(config)
        except Exception as error:
            if self.faults is None:
                raise
            self.faults.note("candidate", "could not be bounded", error, canonical(config))
            return UNKNOWN

    def _bound(self, config: TrialConfig) -> Bound:
        key = (canonical(config.dataset), config.seed)
        if key not in self.datasets:
            data = dataset.load(config.dataset, config.seed, self.cache)
            self.datasets[key] = data.info, len(data.train.targets)
        return bound(config, *self.datasets[key])


def _suits(step: Step, network: PossibleNetwork) -> bool:
    """False where it is known that a step of this package is of no use on a network."""
    try:
        return not _is_ours(step) or step.suits(network)
    except Rejected:
        # A layer that does not suit may be gone by then.
        return True


def _rows_for_layers(step: Step, network: PossibleNetwork) -> int:
    """The rows that a step needs for the layers of a network; none where it does not suit them."""
    try:
        return step.rows_for_layers(network)
    except Rejected:
        return 0


def _after(step: Step, network: PossibleNetwork) -> list[PossibleNetwork]:
    """The networks that a step may leave; none where that is not known, or could be no file.

    A user's class that inherits what a step of this package leaves may do anything else.
    """
    if not _is_ours(step) and "after" not in vars(type(step)):
        return []
    try:
        left = step.after(network)
    except Rejected:
        return []
    # An optimizer or a loss of the user's own may leave any number at 0.
    own = not all(map(_is_ours, parts(step)))
    return [replace(after, may_hold_zeros=after.may_hold_zeros or own) for after in left]


def _is_ours(part: Config) -> bool:
    return type(part).__module__.startswith("automl.")


def _expected_macs(networks: Sequence[PossibleNetwork], otherwise: float) -> float:
    if not networks:
        return otherwise
    return sum(network.expected_macs for network in networks) / len(networks)
