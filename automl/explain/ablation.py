"""Ablation of a chosen model: its recipe run again step by step, without one technique after the
other, and with one layer after the other in fewer bits. A refit goes on from its origin's recipe.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import takewhile
from pathlib import Path

import torch

from automl.compression.changeable import changeable
from automl.compression.layer_sensitivity import estimated_once, in_fewer_bits
from automl.compression.quantize import Quantize
from automl.config import canonical
from automl.data import dataset
from automl.errors import Rejected
from automl.explain.findings import REFIT, Ablation, Outcome
from automl.measure.measurement import Timer
from automl.models.devices import device_name
from automl.models.family import Network, restore
from automl.recipe import Context, LayerSensitivity, Sibling, Step
from automl.space.space import TrialConfig
from automl.space.store_keys import prefix_keys
from automl.store import Store
from automl.training.loop import Train
from automl.trial import trial
from automl.trial.checkpoints import Checkpoints
from automl.trial.prefixes import MODEL_FILES, PARENT_FILE
from automl.trial.result import TrialResult, failed
from automl.trial.trial_options import TrialOptions

Say = Callable[[str], None]


@dataclass(frozen=True)
class RecipeRunner:
    """Runs trials again, one after the other in this process, as their search did."""

    store: Store
    time_file: Timer
    cache: Path
    space_source: str
    wants_gpu: bool = False
    num_threads: int = 1

    @property
    def device(self) -> str:
        return device_name(self.wants_gpu)

    def run(self, config: TrialConfig) -> TrialResult:
        """A trial to its end; what is in the store is not done again."""
        options = TrialOptions(self.space_source, self.device)
        steps = trial.run(config, self.store, self.time_file, self.cache, options)
        try:
            with _threads(self.num_threads):
                while True:
                    next(steps)
        except StopIteration as end:
            result: TrialResult = end.value
            return result
        except Exception as error:
            return failed(error)

    def why_not_run(self, config: TrialConfig) -> str:
        """The reason why a config cannot be run here, or ""."""
        busy = [step.label for step in self.unmade(config) if step.num_workers]
        return f"{', '.join(busy)} trains over several workers" if busy else ""

    def keys(self, config: TrialConfig) -> list[str]:
        return prefix_keys(config, self.space_source)

    def unmade(self, config: TrialConfig) -> list[Step]:
        """The steps whose results are not in the store."""
        pairs = zip(config.recipe, self.keys(config))
        return [step for step, key in pairs if not self.store.has(key, "spec.json")]


def ablate(
    config: TrialConfig, origin: TrialConfig | None, runner: RecipeRunner, say: Say
) -> Ablation:
    """Run a recipe again, whole, up to each of its steps, and without each technique.

    `origin` is the config of the trial of which this is the refit, if it is one.
    """
    known: dict[str, TrialResult] = {}

    def outcome(name: str, variant: TrialConfig, what: str) -> Outcome:
        text = canonical(variant)
        if text not in known and (why := runner.why_not_run(variant)):
            return Outcome(name, "not run", why, {}, 0.0)
        if text not in known:
            say(f"measuring {what}")
            known[text] = runner.run(variant)
        result = known[text]
        figures = result.measurement.figures if result.measurement else {}
        return Outcome(name, result.status, result.reason, figures, _seconds(result))

    whole = outcome("the model", config, "the model again")
    after = [outcome(n, part, f"it after {n}") for n, part in course(config, origin)]
    lacking = {REFIT: origin} if origin else {}
    lacking |= techniques(config)
    without = [outcome(n, other, f"it without {n}") for n, other in lacking.items()]
    return Ablation(whole, after, without)


def course(config: TrialConfig, origin: TrialConfig | None) -> list[tuple[str, TrialConfig]]:
    """The way of a model, each step by its name: a recipe up to each of its steps.

    A refit's begins with its origin's: the first training, and the cuts to the shape that was
    trained again, with the trainings after them.
    """
    own = list(prefixes(config).items())
    if origin is None:
        return own
    num_before = 1
    if config.model != origin.model:
        num_before += max(i for i, step in enumerate(origin.recipe) if step.cuts)
        rest = origin.recipe[num_before:]
        num_before += sum(1 for _ in takewhile(_only_trains, rest))
    (_, trained_again), *after = own
    return [*list(prefixes(origin).items())[:num_before], (REFIT, trained_again), *after]


def _only_trains(step: Step) -> bool:
    return isinstance(step, Train) and not step.compresses


def _seconds(result: TrialResult) -> float:
    """The seconds that the steps of a recipe took, in whichever trial they ran."""
    own = [seconds for stage, seconds in result.stages.items() if stage != "export"]
    return result.reused_seconds + sum(own)


def prefixes(config: TrialConfig) -> dict[str, TrialConfig]:
    """The recipe up to each of its steps, by their labels."""
    return {
        step.label: replace(config, recipe=config.recipe[: i + 1])
        for i, step in enumerate(config.recipe)
    }


def techniques(config: TrialConfig) -> dict[str, TrialConfig]:
    """The recipe without each technique, by name: without a step, or without what a step names.

    The first training stays, for without it there is no model.
    """
    found: dict[str, TrialConfig] = {}
    first = next((i for i, step in enumerate(config.recipe) if not step.compresses), -1)
    for i, step in enumerate(config.recipe):
        before, after = config.recipe[:i], config.recipe[i + 1 :]
        if i != first:
            found[step.label] = replace(config, recipe=(*before, *after))
        for name, plainer in step.without_each_technique().items():
            found[f"{name} of {step.label}"] = replace(config, recipe=(*before, plainer, *after))
    return found


def layer_losses(config: TrialConfig, runner: RecipeRunner) -> LayerSensitivity | None:
    """Losses of each layer in fewer bits, alone, of the model before its first compression.

    They come from the store where a step has had them measured. None where the model is not in
    the store, or no layer can be quantized.
    """
    steps = [step.compresses for step in config.recipe]
    num_before = steps.index(True) if True in steps else len(steps)
    if not num_before:
        return None
    key = runner.keys(config)[num_before - 1]
    weights, spec = (runner.store.read(key, name) for name in MODEL_FILES)
    if weights is None or spec is None:
        return None
    network = restore(weights, spec).to(runner.device).eval()
    context = _context(config, runner, key)
    with _threads(runner.num_threads):
        try:
            found = changeable(network, context, "Quantize", (), lambda weight: "")
        except Rejected:
            return None
        estimated_once(Quantize(), "bits", network, in_fewer_bits(found.weights), context)
    return context.sensitivity["quantize"]


def parent_file(config: TrialConfig, runner: RecipeRunner) -> bytes | None:
    """The fp32 file that the model was compressed from; None where nothing compresses."""
    steps = [step.compresses for step in config.recipe]
    if True not in steps:
        return None
    return runner.store.read(runner.keys(config)[max(0, steps.index(True) - 1)], PARENT_FILE)


def _context(config: TrialConfig, runner: RecipeRunner, key: str) -> Context:
    def once(name: str, make: Callable[[], bytes]) -> bytes:
        if (data := runner.store.read(key, name)) is None:
            data = make()
            runner.store.write(key, {name: data})
        return data

    def no_teacher(teacher: str | Sibling) -> Network:
        raise AssertionError(f"nothing learns from {teacher} here")

    data = dataset.load(config.dataset, config.seed, runner.cache)
    checkpoints = Checkpoints(runner.store, key)
    return Context(data, config.seed, runner.device, no_teacher, checkpoints, once=once)


@contextlib.contextmanager
def _threads(count: int) -> Iterator[None]:
    """Give torch as many threads as the search's trials had: sums round the same."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
