"""The space's largest fp32 model: what every other is compared to, and the hypervolume's ranges."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from automl import pareto, quality, user_code
from automl.bounds.bound import bound
from automl.config import canonical
from automl.data import dataset
from automl.data.dataset import Data, DatasetInfo, Split
from automl.errors import Rejected, UserError, described
from automl.export import onnx
from automl.export.complaints import FIXED_ROWS
from automl.export.formats import FORMATS
from automl.export.taken import Chosen
from automl.measure.measurement import Measurement
from automl.models import foreign
from automl.models.deployed import Deployed, predict
from automl.models.family import ModelFamily, Network, count_parameters, untrained
from automl.models.imported import Imported
from automl.pareto import Axis
from automl.runtimes import onnx as runtime
from automl.space.domains import Params
from automl.space.exploring import Explored, explore
from automl.space.space import Space
from automl.trial.repeatable import check_any_rows, check_repeatable

USUAL_NUMBERS = (1, 4, 8, 16, 32, 64, 128, 256)
"""Of rows, as people write them into a forward."""

BYTES = 4
"""The bytes of a parameter in fp32."""

OF_EACH_CALL = ("latency_ms", *pareto.WORK)
"""Figures that grow with the calls of the network for each row."""

SURE = 20.0
"""The logit of a right answer without a doubt, of which no exponential overflows."""

HAIR = 1e-6
"""The share of a figure that may be rounding."""

COUNTS = (1, 3)
"""The numbers of rows for which the file must run: the exporter saw two."""


@dataclass(frozen=True)
class Largest:
    """The untrained model of most work among a space's options, and the data it is for.

    `num_parameters` is the most that any option has; `point` are the parameters of the space that
    make the model; `notes` are what the user should know of how modules were read; some recipe has
    a model asked `calls_per_row` times for each row.
    """

    network: Network
    data: Data
    num_parameters: int
    point: Params
    notes: tuple[str, ...] = ()
    calls_per_row: int = 1

    def objectives(self, wanted: Sequence[str]) -> tuple[str, ...]:
        """The objectives that are wanted, with the usual metric of the data's task for "quality".

        Raises UserError when two of them are the same then.
        """
        usual, _ = quality.usual(self.data.info.class_counts)
        found = tuple(usual if name == quality.QUALITY else name for name in wanted)
        if len(set(found)) < len(found):
            raise UserError(f"quality is {usual} here, which is an objective too; leave one out")
        return found

    @property
    def rows(self) -> Split:
        return self.data.validation

    def export(self) -> bytes:
        """Its file. Raises UserError on a module of the user's that cannot be one, for any number
        of rows."""
        model = self.network.spec.model
        try:
            file = onnx.export(self.network, self.data)
        except Rejected as error:
            raise UserError(f"{model} {error}") from error
        deployed = Deployed(self.network, self.data.info)
        for count in COUNTS:
            rows = self.rows.inputs[:count]
            expected = predict(deployed, torch.from_numpy(rows))
            try:
                answers = runtime.run(runtime.session(file), rows)
            except Exception as error:
                raise UserError(f"the file of {model} cannot run: {described(error)}") from error
            if answers.shape != tuple(expected.shape):
                raise UserError(f"{model} cannot be exported to ONNX: {FIXED_ROWS}")
        return file

    def in_formats(self, formats: Iterable[str], export: Callable[[], bytes]) -> dict[str, bytes]:
        """Its files in formats beside ONNX, by format, once its ONNX file is there, which `export`
        gives. Raises UserError where one cannot be made."""
        found = dict[str, bytes]()
        for name in formats:
            chosen = Chosen("", export(), self.network, self.data, "")
            try:
                (found[name],) = FORMATS[name].make(chosen).files.values()
            except Rejected as error:
                raise UserError(f"{self.network.spec.model} {error}") from error
        return found

    @property
    def comes_trained(self) -> bool:
        """True where its file has learned already."""
        model = self.network.spec.model
        return type(model) is Imported and model.comes_trained

    def known(self, measured: Measurement) -> dict[str, float]:
        """The figures of its file that are its own: not its quality, unless it came trained whole
        and that is a finite number.

        The head of a `Pretrained` is made anew as a rule, and has learned nothing yet.
        """
        own, is_whole = measured.figures, self.comes_trained
        return {
            name: value
            for name, value in own.items()
            if pareto.is_of_file(name) or (is_whole and math.isfinite(value))
        }

    def axes(self, objectives: Sequence[str], figures: Mapping[str, float]) -> dict[str, Axis]:
        """Each objective's range: quality from chance to perfect, the rest by SPAN, from the
        figures of its file down; bytes from those that the most parameters take, if more, times and
        work from those of as many calls as a row may take."""
        known = quality.metrics(len(self.data.info.classes))
        most_bytes = max(figures["size_bytes"], BYTES * self.num_parameters)
        figures = {**figures, "size_bytes": most_bytes}
        grows = {name for name in figures if name.rpartition("/")[2] in OF_EACH_CALL}
        figures = {
            n: value * (self.calls_per_row if n in grows else 1) for n, value in figures.items()
        }
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
    built = _built(explored, cache)
    for _, data in built:
        wanted = [condition.figure for condition in space.conditions]
        check_figures((*space.objectives, *wanted), data.info)
    _check_steps(space, explored, built)
    work = [
        (bound(replace(config, recipe=()), data.info, 0).macs, count_parameters(network))
        for config, (network, data) in zip(explored.configs, built, strict=True)
    ]
    number = work.index(max(work))
    network, data = built[number]
    _check_perfect((*space.objectives, *(one.figure for one in space.conditions)), data)
    notes = [note for one, _ in built for note in foreign.notes(one)]
    if isinstance(network.spec.model, Imported):
        notes += check_any_rows(network, data)
    num_parameters = max(parameters for _, parameters in work)
    point = {p: v for p, v in explored.params[number].items() if f"{p}.".startswith("model.")}
    calls = max(math.prod(s.calls_per_row for s in one.recipe) for one in explored.configs)
    return Largest(network, data, num_parameters, point, tuple(dict.fromkeys(notes)), calls)


def check_figures(wanted: Sequence[str], info: DatasetInfo) -> None:
    """Raise UserError when a figure that is wanted is none of the data's task."""
    known = list(quality.metrics(len(info.classes)))
    for name in wanted:
        if name in quality.METRICS and name not in known:
            kinds = {0: "a regression", 2: "a choice between two classes"}
            task = kinds.get(len(info.classes), f"a choice among {len(info.classes)} classes")
            is_own = type(quality.METRICS[name]).__module__ != quality.Metric.__module__
            advice = f", or have its suits({len(info.classes)}) return True" if is_own else ""
            raise UserError(
                f"{name} cannot be measured on {task}; choose one of {', '.join(known)}{advice}"
            )


def _check_perfect(wanted: Iterable[str], data: Data) -> None:
    """Raise UserError at a metric of the user's whose figures go beyond what is called perfect.

    A first model that seems perfect would have every larger one refused.
    """
    for metric in (quality.METRICS[name] for name in wanted if name in quality.METRICS):
        reached = math.nan if user_code.is_ours(type(metric).__module__) else _best(metric, data)
        beyond = reached - metric.perfect if metric.better == "max" else metric.perfect - reached
        if HAIR * max(1.0, abs(metric.perfect)) < beyond < math.inf:
            raise UserError(
                f"{type(metric).__name__}: answers that are all right reach {reached:g}, which is "
                f"better than perfect = {metric.perfect:g}; define `perfect`, the best figure"
            )


def _best(metric: quality.Metric, data: Data) -> float:
    """The figure of answers that are all right; NaN where the metric cannot tell."""
    answers = targets = data.validation.targets
    if data.info.classes:
        answers = SURE * np.eye(len(data.info.classes), dtype=np.float32)[targets]
    with contextlib.suppress(Exception), np.errstate(all="ignore"):
        return float(metric(answers, targets))
    return math.nan


def _built(explored: Explored, cache: Path) -> list[tuple[Network, Data]]:
    """The model of each config, and its data. Raises UserError on those that cannot be, with the
    options to leave out where others can."""
    built: list[tuple[Network, Data]] = []
    networks: dict[str, Network] = {}
    errors: dict[int, UserError] = {}
    for number, config in enumerate(explored.configs):
        try:
            data = dataset.load(config.dataset, config.seed, cache)
            for step in config.recipe:
                step.check_data(data.info)
            key = canonical(replace(config, recipe=()))
            if key not in networks:
                networks[key] = _answering(config.model, config.seed, data)
            built.append((networks[key], data))
        except UserError as error:
            errors[number] = error
    if errors:
        raise explored.blamed(errors)
    return built


def _answering(model: ModelFamily, seed: int, data: Data) -> Network:
    """The untrained network of a family, which has answered rows of the data."""
    torch.manual_seed(seed)
    rows = torch.from_numpy(data.train.inputs[:2])
    try:
        network = untrained(model, data.info)
        answers = predict(Deployed(network, data.info), rows)
    except UserError:
        raise
    except Exception as error:
        if number := _number_of_rows(model, data):
            raise UserError(
                f"{model} answers {number} rows at once and not 2: {FIXED_ROWS}"
            ) from error
        raise UserError(
            f"{model} cannot answer rows of shape {data.info.input_shape}: {described(error)}"
        ) from error
    wanted = (2, data.info.num_outputs)
    if tuple(answers.shape) != wanted:
        raise UserError(
            f"{model} gives {tuple(answers.shape)} for two rows of shape "
            f"{data.info.input_shape}; the data asks for {wanted}"
        )
    if isinstance(model, Imported):
        check_repeatable(network, data, seed)
    return network


def _number_of_rows(model: ModelFamily, data: Data) -> int:
    """The usual number of rows that a user's module answers, and perhaps no other; 0 of none."""
    if not isinstance(model, Imported):
        return 0
    for number in USUAL_NUMBERS:
        rows = torch.from_numpy(
            np.resize(data.train.inputs[:number], (number, *data.train.inputs.shape[1:]))
        )
        with contextlib.suppress(Exception):
            predict(Deployed(untrained(model, data.info), data.info), rows)
            return number
    return 0


def _check_steps(space: Space, explored: Explored, built: Sequence[tuple[Network, Data]]) -> None:
    """Raise UserError at a step that works on none of the networks that it was met with, where
    it asks for least."""
    least = {s.label: s for c in explore(space, lowest=True).configs for s in c.recipe}
    errors: dict[str, UserError | None] = {}
    for config, (network, data) in zip(explored.configs, built, strict=True):
        for step in config.recipe:
            try:
                least.get(step.label, step).check_network(network, data)
                errors[step.label] = None
            except UserError as error:
                errors.setdefault(step.label, error)
    for refused in filter(None, errors.values()):
        raise refused
