"""The space's largest fp32 model: what every other is compared to, and the hypervolume's ranges."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from automl import pareto, quality
from automl.bounds.bound import bound
from automl.data import dataset
from automl.data.dataset import Data, DatasetInfo, Split
from automl.errors import UserError
from automl.export import onnx
from automl.models.deployed import Deployed, predict, seen_by
from automl.models.family import Network, count_parameters, untrained
from automl.pareto import Axis, parse_where
from automl.space.exploring import Explored, explore
from automl.space.space import Space, TrialConfig

BYTES = 4
"""The bytes of a parameter in fp32."""


@dataclass(frozen=True)
class Largest:
    """The untrained model of most work among a space's options, and the data it is for.

    `num_parameters` is the most that any option has.
    """

    network: Network
    data: Data
    num_parameters: int

    @property
    def rows(self) -> Split:
        return self.data.validation

    def export(self) -> bytes:
        """Its file. Raises UserError on a module of the user's that cannot be one."""
        try:
            return onnx.export(self.network, self.data)
        except Exception as error:
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise UserError(
                f"{self.network.spec.model} cannot be exported to ONNX: {reason}"
            ) from error

    def axes(self, objectives: Sequence[str], figures: Mapping[str, float]) -> dict[str, Axis]:
        """Each objective's range: quality from chance to perfect, the rest by SPAN, from the
        figures of its file down; bytes from those that the most parameters take, if more."""
        known = quality.metrics(len(self.data.info.classes))
        most_bytes = max(figures["size_bytes"], BYTES * self.num_parameters)
        figures = {**figures, "size_bytes": most_bytes}
        return {
            name: Axis(*known[name].ends(self.rows.targets))
            if name in known
            else Axis(figures[name], figures[name] / pareto.SPAN, log=True)
            for name in objectives
        }


def largest(space: Space, explored: Explored, cache: Path) -> Largest:
    """Build every option's largest model, and let it answer.

    Raises UserError when the data, a model, a step or an objective does not suit the others.
    """
    built = [_build(config, cache) for config in explored.configs]
    for _, data in built:
        _check_objectives(space, data.info)
    _check_steps(space, explored, built)
    work = [
        (bound(replace(config, recipe=()), data.info, 0).macs, count_parameters(network))
        for config, (network, data) in zip(explored.configs, built, strict=True)
    ]
    network, data = built[work.index(max(work))]
    return Largest(network, data, max(parameters for _, parameters in work))


def _build(config: TrialConfig, cache: Path) -> tuple[Network, Data]:
    data = dataset.load(config.dataset, config.seed, cache)
    for step in config.recipe:
        step.check_data(data.info)
    torch.manual_seed(config.seed)
    rows = torch.from_numpy(data.train.inputs[:2])
    try:
        network = untrained(config.model, data.info)
        answers = predict(Deployed(network, data.info), rows)
    except UserError:
        raise
    except Exception as error:
        raise UserError(
            f"{config.model} cannot answer rows of shape {data.info.input_shape}: {error}"
        ) from error
    wanted = (2, data.info.num_outputs)
    if tuple(answers.shape) != wanted:
        raise UserError(
            f"{config.model} gives {tuple(answers.shape)} for two rows of shape "
            f"{data.info.input_shape}; the data asks for {wanted}"
        )
    return network, data


def _check_steps(space: Space, explored: Explored, built: Sequence[tuple[Network, Data]]) -> None:
    """Raise UserError at a step that works on none of the networks that it was met with, where
    it asks for least."""
    least = {s.label: s for c in explore(space, lowest=True).configs for s in c.recipe}
    errors: dict[str, UserError | None] = {}
    for config, (network, data) in zip(explored.configs, built, strict=True):
        rows = seen_by(network, data.train.inputs[:2], data.info)
        for step in config.recipe:
            try:
                least.get(step.label, step).check_network(network, rows)
                errors[step.label] = None
            except UserError as error:
                errors.setdefault(step.label, error)
    for refused in filter(None, errors.values()):
        raise refused


def _check_objectives(space: Space, info: DatasetInfo) -> None:
    """Raise UserError when an objective or a constraint is no figure of the data's task."""
    known = list(quality.metrics(len(info.classes)))
    wanted = [name for text in space.constraints for name, _, _ in parse_where(text)]
    for name in (*space.objectives, *wanted):
        if name in quality.METRICS and name not in known:
            kinds = {0: "a regression", 2: "a choice between two classes"}
            task = kinds.get(len(info.classes), f"a choice among {len(info.classes)} classes")
            raise UserError(
                f"{name} cannot be measured on {task}; choose one of {', '.join(known)}"
            )
