import random

import pytest

from automl import source
from automl.space import Float, Int, OneOf, explore, recording, replay, sample
from automl.study.pool import Told, at, front_of, key, make_pool, stratified
from automl.study.walk import Walk


@pytest.fixture
def space():
    return source.load(source.find("digits").read_text())


@pytest.fixture
def draw(space):
    def draw(suggest):
        params = {}
        sample(space, recording(suggest, params))
        return params

    return draw


def told(params, values, violation=0.0):
    return Told(params, {}, values, violation)


def random_suggest(rng):
    return lambda path, domain: at(domain, rng.random())


def test_a_value_lies_in_its_domain_at_every_place():
    assert [at(Int(8, 30, step=8), p) for p in (0.0, 0.5, 0.99)] == [8, 16, 24]
    assert at(Float(1e-4, 1e-2, log=True), 0.5) == pytest.approx(1e-3)
    assert [at(OneOf(True, None), p) for p in (0.1, 0.9)] == ["true", "None"]


def test_the_first_trials_fill_every_stratum_of_a_domain_once():
    domain = Int(0, 9)
    for path in ("a", "b"):
        assert {stratified(i, 3, 10)(path, domain) for i in range(10)} == set(range(10))
    orders = [[stratified(i, 3, 10)(path, domain) for i in range(10)] for path in ("a", "b")]
    assert orders[0] != orders[1]


def test_a_walk_draws_what_the_space_draws(draw):
    walk = Walk(draw)
    for seed in range(200):
        expected = draw(random_suggest(random.Random(seed)))
        assert walk(random_suggest(random.Random(seed))) == expected


def test_a_walk_builds_no_config_for_choices_that_it_knows(draw):
    calls = []

    def counted(suggest):
        calls.append(1)
        return draw(suggest)

    walk = Walk(counted)
    for seed in range(500):
        walk(random_suggest(random.Random(seed)))
    before = len(calls)
    for seed in range(500):
        walk(random_suggest(random.Random(seed)))
    assert len(calls) == before < 400


def test_a_pool_is_new_valid_and_repeats_under_its_seed(space, draw):
    parents = [draw(random_suggest(random.Random(seed))) for seed in range(3)]
    history = [told(p, (i / 3, 1 - i / 3)) for i, p in enumerate(parents)]
    known = {key(p) for p in parents}
    pool = make_pool(history, Walk(draw), random.Random(0), known, 50)
    assert pool == make_pool(history, draw, random.Random(0), known, 50)
    keys = {key(params) for params in pool}
    assert len(keys) == len(pool) == 50 and not keys & known
    domains = explore(space).domains
    for params in pool:
        drawn = {}
        sample(space, recording(replay(params), drawn))
        assert drawn == params and params.keys() <= domains.keys()


def test_most_of_a_pool_resembles_the_front(draw):
    parent = draw(random_suggest(random.Random(5)))
    pool = make_pool([told(parent, (1.0, 1.0))], draw, random.Random(0), (), 50)
    alike = [sum(params.get(path) == parent[path] for path in parent) for params in pool]
    assert sum(count >= len(parent) - 3 for count in alike) > 20


def test_a_space_that_is_used_up_gives_a_small_pool():
    def draw(suggest):
        return {"a": suggest("a", OneOf(1, 2))}

    pool = make_pool([told({"a": "1"}, (1.0,))], draw, random.Random(0), {key({"a": "1"})}, 50)
    assert pool == [{"a": "2"}]


def test_the_front_is_of_feasible_trials_or_else_of_the_nearest():
    rows = [((0.5, 0.5), 0.0), ((0.9, 0.9), 0.3), ((0.4, 0.4), 0.0), ((0.1, 0.9), 0.0), (None, 0.0)]
    history = [told({}, *row) for row in rows]
    assert front_of(history) == [0, 3]
    assert front_of([history[1], history[4], told({}, (0.1, 0.1), 0.1)]) == [2, 0]
