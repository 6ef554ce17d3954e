import random

import numpy as np
import pytest

from automl.space import Float, Int, OneOf, uniform
from automl.study.pool import Told, front_of, key, stratified
from automl.study.ranking import MAX_ROWS, Candidate, Ranker, best_first
from automl.study.samplers import distribution

LEAVES = {
    "kind": OneOf("a", "b"),
    "x": Float(0.0, 1.0),
    "a.n": Int(0, 15),
    "b.y": Float(1e-3, 1.0, log=True),
}


def draw(suggest):
    params = {path: suggest(path, LEAVES[path]) for path in ("kind", "x")}
    path = "a.n" if params["kind"] == '"a"' else "b.y"
    return {**params, path: suggest(path, LEAVES[path])}


def values(params):
    """Better along x for one objective, worse for the other; branch b is better at its middle."""
    n = params.get("a.n", 0) / 30
    y = 0.0 if "a.n" in params else 1 - abs(np.log10(params["b.y"]) + 1.5) / 1.5
    return (params["x"] * (0.3 + n + 0.5 * y), (1 - params["x"]) * (0.3 + n + 0.5 * y))


def told(params, violation=0.0, extra=()):
    distributions = {path: distribution(LEAVES[path]) for path in params}
    return Told(params, distributions, values(params), violation, extra)


def trials(count, seed=0):
    return [draw(uniform(random.Random(f"{seed} {i}"))) for i in range(count)]


def candidates(count=40):
    return [Candidate(params) for params in trials(count, seed="new")]


def volume(history):
    points = np.array([t.values for t in history])
    corners = np.linspace(0, 1, 200)
    covered = (points[:, 0, None, None] >= corners[:, None]) & (points[:, 1, None, None] >= corners)
    return covered.any(axis=0).mean()


def test_the_best_candidates_come_first():
    history = [told(params) for params in trials(40)]
    ranked = best_first(history, draw, {key(t.params) for t in history}, random.Random(0), Ranker())
    added = [volume([*history, told(c.params)]) - volume(history) for c in ranked]
    assert np.mean(added[:5]) > 5 * np.mean(added[-30:]) + 1e-4


def test_a_search_by_gain_beats_random_search():
    history, ranker = [], Ranker()
    for number in range(40):
        rng = random.Random(number)
        known = {key(t.params) for t in history}
        if number < 10:
            params = draw(stratified(number, 0))
        else:
            params = best_first(history, draw, known, rng, ranker)[0].params
        history.append(told(params))
    by_chance = [volume([told(p) for p in trials(40, seed)]) for seed in range(5)]
    assert volume(history) > max(by_chance)


def test_what_a_ranker_keeps_changes_no_answer():
    history = [told(params) for params in trials(23)]
    kept = Ranker()
    for count in range(5, 23):
        kept.gains(history[:count], candidates())
    again = Ranker().gains(history, candidates())
    assert (kept.gains(history, candidates()) == again).all()


def test_a_pending_twin_leaves_little_to_gain():
    history = [told(params) for params in trials(30)]
    gains = Ranker().gains(history, candidates())
    best = candidates()[int(np.argmax(gains))]
    left = Ranker().gains(history, candidates(), pending=[best])
    assert left[np.argmax(gains)] < gains.max() / 2


def test_what_looks_infeasible_comes_later():
    history = [told(p, violation=float(p["kind"] == '"b"')) for p in trials(40)]
    gains = Ranker().gains(history, candidates())
    is_b = np.array(["b.y" in c.params for c in candidates()])
    assert candidates()[int(np.argmax(gains))].params["kind"] == '"a"'
    assert gains[is_b].mean() < gains[~is_b].mean()


def test_without_a_feasible_trial_the_way_leads_to_feasibility():
    history = [told(p, violation=1 + p["x"]) for p in trials(20)]
    gains = Ranker().gains(history, candidates())
    assert candidates()[int(np.argmax(gains))].params["x"] < 0.2


@pytest.mark.parametrize("count", [1, 2, 7])
def test_failed_trials_are_no_trouble(count):
    failed = [Told(t.params, t.distributions, None) for t in map(told, trials(count))]
    assert np.isfinite(Ranker().gains(failed, candidates())).all()
    mixed = [*failed, *(told(params) for params in trials(count, seed=1))]
    assert np.isfinite(Ranker().gains(mixed, candidates())).all()


def test_extra_numbers_are_learned_from():
    history = [
        Told({"x": 0.5}, {"x": distribution(LEAVES["x"])}, (i / 30,), extra=(float(i),))
        for i in range(20)
    ]
    gains = Ranker().gains(history, [Candidate({"x": 0.5}, (float(i),)) for i in (5, 25)])
    assert gains[1] > 10 * gains[0]


def test_a_long_history_keeps_its_front():
    history = [told(params) for params in trials(MAX_ROWS + 20)]
    best = told({"kind": '"b"', "x": 0.5, "b.y": 10**-1.5})
    assert len(front_of([best, *history])) >= 1
    gains = Ranker().gains([best, *history], [Candidate(best.params)])
    assert gains[0] < 0.01
