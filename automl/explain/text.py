"""An explanation in sentences."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from automl import quality_maths
from automl.explain.findings import REFIT, Explanation, Figures
from automl.measure.predictions import ClassComparison, NumberComparison
from automl.pareto import DIRECTIONS
from automl.study.importance import MIN_TRIALS
from automl.tracking.pages.formats import duration, figure, named, parameter, parameters, short
from automl.trial import layer_outcomes

MIN_SHARE = 0.05
"""What matters less than this share is not worth a sentence."""
TIME_DOUBT = 0.1
"""Times that differ by less than this share are not told apart: a measurement has its noise."""
MAX_PAIRS = 4


def sentences(explanation: Explanation) -> list[str]:
    """An explanation's findings, the model first, then the search."""
    of_model = (_model, _left_alone, _techniques, _answers, _layers, _beside)
    parts = (*of_model, _importance, _interactions, _proposal)
    return [sentence for part in parts for sentence in part(explanation)]


def _model(explanation: Explanation) -> Iterator[str]:
    model, recorded = explanation.model, explanation.model.recorded
    names = (explanation.quality, "size_bytes", "latency_ms")
    figures = ", ".join(named(name, recorded[name]) for name in names)
    yield f"{model.why.capitalize()}: trial {model.trial_id} with {figures}."
    if parent := model.parent_bytes:
        share = recorded["size_bytes"] / parent
        yield f"Its uncompressed parent has {parent:,} bytes: the file is {share:.1%} of that."
    if model.is_same:
        yield "Made and measured again just now, it has the same quality and bytes exactly."
    else:
        yield (
            f"Made and measured again just now, it is not what was recorded: "
            f"{model.difference}. What follows compares with the new figures."
        )


def _left_alone(explanation: Explanation) -> Iterator[str]:
    size = explanation.model.recorded["size_bytes"]
    for note in layer_outcomes.notes(explanation.outcomes, (), size):
        yield f"{note}."


def _techniques(explanation: Explanation) -> Iterator[str]:
    whole, without = explanation.ablation.whole.figures, explanation.ablation.without
    if explanation.model.origin is not None:
        yield from _refit(explanation, explanation.model.origin)
    elif not without:
        yield "Its recipe is one training: there is no technique to leave out."
        return
    for outcome in without if whole else ():
        if outcome.status != "complete":
            yield f"Without {outcome.name} there is no model to compare: {outcome.reason}."
        elif explanation.model.origin is None:
            yield f"{_gain(outcome.name, outcome.figures, whole, explanation.quality)}."
    if "accuracy" in whole:
        num_rows = explanation.answers.comparison.num_rows
        low, high = quality_maths.wilson_interval(whole["accuracy"], num_rows)
        yield (
            f"On {num_rows} validation rows an accuracy is known to about "
            f"±{(high - low) / 2:.3f}: smaller differences may be chance."
        )


def _refit(explanation: Explanation, origin: str) -> Iterator[str]:
    """A refit through its origin: what each step bought, from the uncompressed parent on."""
    name, steps = explanation.quality, explanation.ablation.after_steps
    yield f"It is the refit of trial {origin}: trained again, longer, at the shape that it had."
    made = [step for step in steps if step.figures]
    if not made:
        return
    first, figures = made[0], made[0].figures
    yield (
        f"The uncompressed parent, after {first.name} of trial {origin}, had "
        f"{_figures(figures, name)}, in {duration(first.seconds)} of computing."
    )
    refit = next((i for i, step in enumerate(made) if step.name == REFIT), len(made))
    for i, (before, after) in enumerate(zip(made, made[1:]), 1):
        # A refit starts anew: none of its seconds are its origin's.
        seconds = after.seconds if i == refit else after.seconds - before.seconds
        took = f"; it took {duration(max(0.0, seconds))}"
        yield f"{_gain(after.name, before.figures, after.figures, name)}{took}."
    kept = next((o for o in explanation.ablation.without if o.name == REFIT), None)
    if kept is not None and kept.figures and explanation.ablation.whole.figures:
        whole = explanation.ablation.whole.figures
        yield f"In all, {_gain(f'refitting trial {origin}', kept.figures, whole, name)}."


def _figures(figures: Figures, name: str) -> str:
    return ", ".join(named(n, figures[n]) for n in (name, "size_bytes", "latency_ms"))


def _gain(technique: str, without: Figures, whole: Figures, name: str) -> str:
    """A technique's gain and its cost, against the recipe that lacks it."""
    gained, lost = _differences(without, whole, (name, "size_bytes", "latency_ms"))
    if gained and lost:
        return f"{technique} bought {' and '.join(gained)} for {' and '.join(lost)}"
    if gained:
        return f"{technique} bought {' and '.join(gained)} and cost nothing"
    if lost:
        return f"{technique} bought nothing here, and cost {' and '.join(lost)}"
    return f"{technique} changed neither bytes nor {name}"


def _differences(
    before: Figures, after: Figures, names: Iterable[str]
) -> tuple[list[str], list[str]]:
    """The differences of figures in words: those to the better, and those to the worse.

    Times that differ by less than `TIME_DOUBT` are left out.
    """
    better: list[str] = []
    worse: list[str] = []
    for name in sorted(names, key=lambda name: name != "size_bytes"):
        if name not in before or name not in after or before[name] == after[name]:
            continue
        low, high = sorted((before[name], after[name]))
        factor = f" (a factor of {high / low:.2f})" if low > 0 else ""
        if name.endswith("_ms") and high < low * (1 + TIME_DOUBT):
            continue
        difference = figure(name, high - low)
        if name == "size_bytes":
            difference += f" bytes{factor}"
        elif name.endswith("_ms"):
            runtime, _, _ = name.rpartition("/")
            difference += f" ms{f' on {runtime}' * bool(runtime)}{factor}"
        else:
            difference += f" {name}"
        is_better = (after[name] > before[name]) == (DIRECTIONS[name] == "max")
        (better if is_better else worse).append(difference)
    return better, worse


def _beside(explanation: Explanation) -> Iterator[str]:
    own, told = explanation.model.recorded, set[str]()
    for neighbour in explanation.beside:
        gained, lost = _differences(own, neighbour.figures, neighbour.differs)
        if neighbour.trial_id in told or not gained:
            continue
        told.add(neighbour.trial_id)
        cost = f" for {' and '.join(lost)}" if lost else ""
        yield (
            f"Beside it on the front, trial {neighbour.trial_id} is better in "
            f"{neighbour.better}: a move there buys {' and '.join(gained)}{cost}."
        )


def _answers(explanation: Explanation) -> Iterator[str]:
    comparison = explanation.answers.comparison
    if not explanation.model.parent_bytes:
        return
    change = "Compression and refit" if explanation.model.origin else "Compression"
    if isinstance(comparison, NumberComparison):
        before, after = comparison.rmse.before or 0.0, comparison.rmse.after
        yield (
            f"{change} took the error (rmse) from {before:.4g} to {after:.4g}, and moved the "
            f"predictions by {comparison.mean_change:.2g} on average."
        )
        return
    became = [str(item.became) for item in comparison.changed]
    if not became:
        yield f"{change} changed none of its {comparison.num_rows} answers."
        return
    counts = [f"{became.count(word)} {word}" for word in dict.fromkeys(became)]
    yield (
        f"{change} changed {len(became)} of its {comparison.num_rows} answers: "
        f"now {', '.join(counts)}."
    )
    yield from _worst_class(comparison)


def _worst_class(comparison: ClassComparison) -> Iterator[str]:
    recalls = [
        (before.recall, after.recall or 0.0, own.name)
        for own in comparison.classes
        for before, after in [(own.rates.before, own.rates.after)]
        if before is not None and before.recall is not None
    ]
    before, after, name = max(recalls, key=lambda recall: recall[0] - recall[1])
    if before > after:
        yield (f"The class {name} lost most: its recall went from {before:.3f} to {after:.3f}.")


def _layers(explanation: Explanation) -> Iterator[str]:
    for label, own in explanation.sensitivity.items():
        losses = {
            layer: max(option.loss for option in options) for layer, options in own.layers.items()
        }
        most, least = max(losses, key=losses.__getitem__), min(losses, key=losses.__getitem__)
        if most != least:
            yield (
                f"Of its layers ({label}) {most} bears fewer {own.of} worst: with the fewest "
                f"the answers move by {losses[most]:.0%} of their variance; {least} bears them "
                f"best ({losses[least]:.0%})."
            )


def _importance(explanation: Explanation) -> Iterator[str]:
    parameters = explanation.parameters
    if not parameters.alone:
        yield (
            f"Which parameters matter is told from {MIN_TRIALS} complete trials on; the search has "
            f"{parameters.num_complete}."
        )
    is_any_clear = False
    for name, own in parameters.alone.items():
        deciding = [
            f"{short(one.path)} ({one.share:.0%}; the best have {one.best})"
            for one in own
            if one.is_clear and one.share >= MIN_SHARE
        ]
        if deciding:
            is_any_clear = True
            yield f"What decides {name} most: {', then '.join(deciding[:2])}."
        else:
            yield f"No parameter stands out for {name} in {parameters.num_complete} trials."
    if not is_any_clear:
        yield from _one_choice(explanation)


def _one_choice(explanation: Explanation) -> Iterator[str]:
    """Tell what single choices did, from pairs of trials that differ in nothing else."""
    pairs = explanation.parameters.one_choice
    if not pairs:
        yield "No two of its trials differ in one choice alone."
    for pair in pairs[:MAX_PAIRS]:
        before, after = map(parameter, pair.values)
        first, second = pair.figures
        gained, lost = _differences(first, second, explanation.objectives)
        said = [f"bought {' and '.join(gained)}"] * bool(gained)
        said += [f"cost {' and '.join(lost)}"] * bool(lost)
        others = f" (the most of {pair.num_pairs} such pairs)" if pair.num_pairs > 1 else ""
        yield (
            f"Trials {' and '.join(pair.trials)} differ in {short(pair.path)} alone{others}: "
            f"{after} in place of {before} {' and '.join(said) or 'changed nothing'}."
        )


def _interactions(explanation: Explanation) -> Iterator[str]:
    by_objective = explanation.parameters.pairs
    if explanation.parameters.alone and not any(by_objective.values()):
        yield "There are too few trials to say which parameters act together."
    for name, pairs in by_objective.items():
        clear = [pair for pair in pairs if pair.is_clear]
        if clear and clear[0].share >= MIN_SHARE:
            first, second = short(clear[0].first), short(clear[0].second)
            yield (
                f"On {name} {first} and {second} act together: what one does depends on the other "
                f"({clear[0].share:.0%} of the variance)."
            )


def _proposal(explanation: Explanation) -> Iterator[str]:
    for proposal in explanation.proposals[:1]:
        start = f"compress the training of trial {proposal.parent} again"
        if proposal.parent is None:
            start = "train a new model"
            if proposal.nearest:
                start += f", like trial {proposal.nearest} but"
        expected = ", ".join(named(n, ends[1]) for n, ends in proposal.expected.items())
        hope = f"; it expects {expected}" if expected else ""
        yield f"Next the search would {start} with {parameters(proposal.changed)}{hope}."
