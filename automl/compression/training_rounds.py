"""Training in rounds inside one step: the network changes between them, epochs count through."""

from __future__ import annotations

import json
from collections.abc import Callable, Generator
from dataclasses import dataclass, replace

from automl.config import decode, encode
from automl.models.family import Network, Spec
from automl.recipe import Checkpoints, Context, Report
from automl.training.loop import Train

ABOUT = "round.json"


@dataclass(frozen=True)
class Round:
    """A round of a step: its number, the epochs before it, and the spec that it trains."""

    number: int
    before: int
    spec: Spec


def latest_round(checkpoints: Checkpoints) -> Round | None:
    """The round that a killed step was in."""
    found = checkpoints.load()
    if found is None:
        return None
    about = json.loads(found[1][ABOUT])
    return Round(about["number"], about["before"], decode(about["spec"]))


def train_round(
    step: Train, network: Network, context: Context, this: Round, label: str, epochs: int
) -> Generator[Report, None, Network]:
    """Run a training as one round of the step `label`, which has `epochs` over all rounds."""

    def as_step(report: Report) -> Report:
        return replace(report, step=label, epoch=this.before + report.epoch, epochs=epochs)

    def goes_on(done: float) -> bool:
        whole = (this.before + done * step.epochs) / epochs
        return context.goes_on is None or context.goes_on(whole)

    checkpoints = _RoundCheckpoints(this, context.checkpoints, as_step)
    training = step.run(network, replace(context, checkpoints=checkpoints, goes_on=goes_on))
    while True:
        try:
            report = next(training)
        except StopIteration as end:
            trained: Network = end.value
            return trained
        yield as_step(report)


@dataclass(frozen=True)
class _RoundCheckpoints:
    """A round's checkpoints among those of its step."""

    this: Round
    whole: Checkpoints
    as_step: Callable[[Report], Report]

    def load(self) -> tuple[int, dict[str, bytes]] | None:
        found = self.whole.load()
        if found is None or json.loads(found[1][ABOUT])["number"] != self.this.number:
            return None
        return found[0] - self.this.before, found[1]

    def save(self, report: Report, make: Callable[[], dict[str, bytes]]) -> None:
        about = {name: encode(value) for name, value in vars(self.this).items()}
        whole = {ABOUT: json.dumps(about).encode()}
        self.whole.save(self.as_step(report), lambda: {**whole, **make()})
