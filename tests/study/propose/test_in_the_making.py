"""Proposals that wait for what is in the making."""

import random

import pytest

from automl.space.space import TrialConfig
from automl.study.propose.candidates import Candidate
from automl.study.propose.in_the_making import InTheMaking
from automl.study.propose.proposer import Proposal
from automl.study.record import Drawing
from automl.study.trial_id import TrialId


def proposal(keys):
    config = TrialConfig(dataset=None, model=None, recipe=())
    return Proposal(Candidate({}, {}, frozenset(), config), keys, Drawing())


def never_stored(key):
    return False


def test_it_waits_until_the_last_of_its_keys_is_made():
    making = InTheMaking(never_stored, slots=2)
    making.begin(TrialId(0), ["a"])
    making.begin(TrialId(1), ["b"])
    making.wait(waiting := proposal(["a", "b"]))
    making.end(TrialId(0))
    assert making.ready() is None
    making.end(TrialId(1))
    assert making.ready() is waiting
    assert making.ready() is None and not making.waiting


def test_a_key_is_released_when_a_trial_has_stored_it():
    stored = set()
    making = InTheMaking(stored.__contains__, slots=2)
    making.begin(TrialId(0), ["a", "b"])
    making.wait(waiting := proposal(["a"]))
    stored.add("a")
    making.reach(TrialId(0), "train")
    assert making.ready() is waiting


@pytest.mark.parametrize("seed", range(20))
def test_the_first_that_need_not_wait_is_ready_whatever_the_order(seed):
    rng, making = random.Random(seed), InTheMaking(never_stored, slots=9)
    running, waiting = [], []
    for number in range(300):
        keys = rng.sample("abcdefgh", rng.randint(1, 3))
        action = rng.choice(("begin", "end", "end", "wait", "ready"))
        if action == "begin" or not running:
            making.begin(TrialId(number), keys)
            running.append(TrialId(number))
        elif action == "end":
            making.end(running.pop(rng.randrange(len(running))))
        elif action == "wait" and making.has_any(keys):
            waiting.append(proposal(keys))
            making.wait(waiting[-1])
        elif action == "ready":
            free = [one for one in waiting if not making.has_any(one.keys)]
            assert making.ready() is (free[0] if free else None)
            waiting = [one for one in waiting if one is not (free[0] if free else None)]
        assert [*making.waiting.values()] == waiting
