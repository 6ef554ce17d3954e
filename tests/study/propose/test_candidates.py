import random
from functools import partial

import pytest

from automl.space import space_file
from automl.space.domains import Float, Int, OneOf, at
from automl.space.sampling import replay, sample, uniform
from automl.study.propose.candidates import candidates, stratified, walk
from automl.study.trial_id import TrialId


@pytest.fixture(scope="module")
def space():
    return space_file.load(space_file.find("digits").read_text())


def test_a_value_lies_in_its_domain_at_every_place():
    assert [at(Int(8, 30, step=8), p) for p in (0.0, 0.5, 0.99)] == [8, 16, 24]
    assert at(Float(1e-4, 1e-2, log=True), 0.5) == pytest.approx(1e-3)
    assert [at(OneOf(True, None), p) for p in (0.1, 0.9)] == ["true", "None"]


def test_the_first_trials_fill_every_stratum_of_a_domain_once():
    domain = Int(0, 9)
    for path in ("a", "b"):
        assert {stratified(i, "3", 10)(path, domain) for i in range(10)} == set(range(10))
    orders = [[stratified(i, "3", 10)(path, domain) for i in range(10)] for path in ("a", "b")]
    assert orders[0] != orders[1]


def test_candidates_are_trials_of_the_space_and_repeat_under_their_seed(space):
    parents = [walk(space, uniform(random.Random(seed))) for seed in range(3)]
    good, trained = [one.params for one in parents], [one.training for one in parents]
    parents = {TrialId(number): training for number, training in enumerate(trained)}
    drawn, again = (
        list(candidates(partial(walk, space), good, parents, random.Random(0), 60)) for _ in "ab"
    )
    assert [c.key for c in drawn] == [c.key for c in again]
    for candidate in drawn:
        assert sample(space, replay(candidate.params)) == candidate.config
        assert candidate.distributions.keys() == candidate.params.keys()


def test_a_branch_keeps_the_training_of_its_parent(space):
    parent = walk(space, uniform(random.Random(5)))
    good = [parent.params]
    drawn = list(
        candidates(partial(walk, space), good, {TrialId(7): parent.training}, random.Random(0), 80)
    )
    branches = [c for c in drawn if c.parent is not None]
    assert {c.parent for c in branches} == {TrialId(7)} and len(branches) > 25
    for branch in branches:
        assert branch.training == parent.training
    alike = [sum(c.params.get(p) == v for p, v in good[0].items()) for c in drawn]
    assert sum(count >= len(good[0]) - 3 for count in alike) > 30
