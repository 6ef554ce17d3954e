"""The next proposals, in the made-up world of `test_ranking`."""

from dataclasses import replace

import pytest
from helpers.made_up_world import NAMES, SETTINGS, SPACE, Bound, record, world

from automl.study.propose.next_proposals import proposals
from automl.study.propose.proposer import Proposer, ProposerOptions
from automl.study.study import create


@pytest.fixture
def searched_for(tmp_path):
    """A search of some trials, and the proposer that proposed them."""

    def search(count):
        study = create(tmp_path / "mine", SETTINGS, "text", {"": b""})
        proposer = Proposer(SETTINGS, SPACE, lambda config: [], Bound, ProposerOptions())
        for number in range(count):
            drawn = proposer.propose(number)
            one = record(drawn.candidate, number)
            proposer.learn(one)
            started = replace(one, drawing=drawn.drawing, result=None)
            study.start(started)
            study.end(replace(started.on_course(departure=number + 1), result=one.result))
        return study, proposer

    return search


def test_next_proposals_are_those_of_the_search(searched_for):
    study, proposer = searched_for(15)
    drawn = [proposer.propose(15).candidate for _ in range(3)]
    found = proposals(study, SPACE, Bound, 3)
    assert [one.params for one in found] == [one.params for one in drawn]
    parents = [None if one.parent is None else str(one.parent) for one in drawn]
    assert [one.parent for one in found] == parents


def test_expectations_are_in_the_units_of_the_objectives(searched_for):
    study, _ = searched_for(25)
    members = {member.trial_id for member in study.front().members}
    for one in proposals(study, SPACE, Bound):
        assert set(one.expected) == set(NAMES) and one.gain > 0
        assert all(low <= likely <= high for low, likely, high in one.expected.values())
        _, accuracy, size_bytes = world(one.params)
        assert one.expected["accuracy"][1] == pytest.approx(accuracy, abs=0.15)
        assert one.expected["size_bytes"][1] == pytest.approx(size_bytes, abs=15_000)
        assert one.nearest in members
        assert one.changed.items() <= one.params.items()


def test_without_trials_there_are_proposals_and_no_expectations(searched_for):
    study, _ = searched_for(0)
    for one in proposals(study, SPACE, Bound, 2):
        assert (one.expected, one.gain, one.nearest, one.parent) == ({}, None, None, None)
        assert one.changed == one.params
