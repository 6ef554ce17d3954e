"""Ranking on a made-up world: quality falls with the cut, bytes with the bits."""

import random
from dataclasses import replace

import numpy as np
import pytest
from helpers.made_up_world import SETTINGS, SPACE, Bound, record, volume, world

from automl.space.sampling import uniform
from automl.study.propose.candidates import walk
from automl.study.propose.history import History, observe
from automl.study.propose.ranking import MAX_COLUMNS, Ranker, _thinned, work
from automl.study.trial_id import TrialId


def drawn(count, seed=""):
    return [walk(SPACE, uniform(random.Random(f"{seed} {i}"))) for i in range(count)]


def history_of(candidates, settings=SETTINGS):
    """The history, and the coordinates of its trials."""
    history, coordinates = History(), []
    for number, candidate in enumerate(candidates):
        one = record(candidate, number)
        history.add(observe(one, candidate, Bound(candidate.config), settings, settings.limits))
        coordinates.append(settings.coordinates(one.values))
    return history, np.array(coordinates)


def known(candidates):
    return [(candidate, Bound(candidate.config)) for candidate in candidates]


def test_what_adds_most_has_most_gain():
    history, front = history_of(drawn(30))
    new = drawn(80, "new")
    order = np.argsort(-Ranker(SETTINGS, SPACE).gains(history, front, known(new)))
    added = [
        volume([*front, SETTINGS.coordinates(record(c, 0).values)]) - volume(front) for c in new
    ]
    assert np.mean([added[i] for i in order[:8]]) > 3 * np.mean([added[i] for i in order[-40:]])


def test_what_a_ranker_keeps_changes_no_answer():
    candidates, new = drawn(23), known(drawn(9, "new"))
    kept = Ranker(SETTINGS, SPACE)
    for count in range(5, 24):
        gains = kept.gains(*history_of(candidates[:count]), new)
    assert (Ranker(SETTINGS, SPACE).gains(*history_of(candidates), new) == gains).all()


def test_a_pending_twin_leaves_little_to_gain():
    history, front = history_of(drawn(30))
    new, ranker = known(drawn(30, "new")), Ranker(SETTINGS, SPACE)
    gains = ranker.gains(history, front, new)
    best = int(np.argmax(gains))
    assert ranker.gains(history, front, new, [new[best]])[best] < gains[best] / 2


def test_the_quality_of_a_branch_starts_from_its_parents():
    """The same compression of a better parent promises more."""
    candidates = drawn(40)
    history, _ = history_of(candidates)
    ranker, order = (
        Ranker(SETTINGS, SPACE),
        np.argsort([one.trained for one in history.observations.kept]),
    )
    low, high = candidates[order[0]], candidates[order[-1]]
    tail = {p: v for p, v in candidates[1].params.items() if p.startswith("recipe.")}
    tail = {p: v for p, v in tail.items() if not p.startswith("recipe.train")}
    front = np.zeros((1, 2))
    promised = []
    for position in (order[0], order[-1]):
        params = {**candidates[position].training, **tail}
        branch = walk(SPACE, lambda path, domain, p=params: p[path], TrialId(int(position)))
        promised += ranker.gains(history, front, known([branch])).tolist()
    assert low.key != high.key and promised[0] < promised[1]


def test_a_branch_costs_only_what_comes_after_the_training():
    whole = drawn(1)[0]
    branch = walk(SPACE, lambda path, domain: whole.params[path], TrialId(0))
    bound = Bound(whole.config)
    assert work(whole, bound) - work(branch, bound) == bound.steps["train"]


@pytest.mark.parametrize("is_feasible", [True, False])
def test_what_keeps_to_the_constraints_comes_first(is_feasible):
    limit = "size_bytes<=20000" if is_feasible else "size_bytes<=100"
    settings = replace(SETTINGS, constraints=(limit,))
    history, front = history_of(drawn(40), settings)
    assert bool(history.num_feasible) == is_feasible
    new = drawn(30, "new")
    gains = Ranker(settings, SPACE).gains(history, front, known(new))
    is_small = np.array([world(c.params)[2] <= 20_000 for c in new])
    assert gains[is_small].mean() > gains[~is_small].mean()


def test_a_thinned_front_keeps_its_ends_and_its_volume():
    rng = np.random.default_rng(0)
    for axes, kept in ((2, 400), (3, 316), (4, 46), (5, 17)):
        front = rng.random((400, axes))
        thin = _thinned(front)
        assert len(thin) == kept and len(thin) ** (axes - 1) <= MAX_COLUMNS
        assert (thin.max(axis=0) == front.max(axis=0)).all()
