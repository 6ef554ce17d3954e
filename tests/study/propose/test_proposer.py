"""Proposals in the made-up world of `test_ranking`, each learned of at once."""

from dataclasses import replace

import pytest
from helpers.made_up_world import NAMES, SETTINGS, SPACE, Bound, record, volume

from automl.space import space_file
from automl.space.domains import Int
from automl.space.space import Space, TrialConfig
from automl.study.goal import Goal
from automl.study.propose.proposer import NUM_SPREAD, Proposer, ProposerOptions
from automl.study.trial_id import Kind, TrialId


def proposer_of(settings=SETTINGS, space=SPACE, earlier=(), **options):
    options = ProposerOptions(**options)
    return Proposer(settings, space, lambda config: [], Bound, options, earlier)


def search(proposer, count):
    """Propose and learn; returns the proposals, and the coordinates of their ends."""
    drawn, coordinates = [], []
    for number in range(count):
        drawn.append(proposer.propose(number))
        one = record(drawn[-1].candidate, number)
        proposer.learn(one)
        coordinates.append(proposer.settings.coordinates(one.values))
    return drawn, coordinates


def test_a_ranked_search_finds_more_than_a_random_one():
    _, ranked = search(proposer_of(), 40)
    by_chance = [
        search(proposer_of(replace(SETTINGS, sampler="random", seed=s)), 40) for s in (1, 2)
    ]
    assert volume(ranked) > max(volume(coordinates) for _, coordinates in by_chance)


def test_many_slots_have_their_proposals_drawn_together():
    proposer = proposer_of(slots=160)
    _, coordinates = search(proposer, 40)
    expected = [candidate.key for candidate in proposer.batch]
    assert 1 < len(expected) < 10
    proposals = [proposer.propose(40) for _ in expected]
    assert [one.candidate.key for one in proposals] == expected
    assert not proposer.batch and all(one.is_new for one in proposals)
    _, by_chance = search(proposer_of(replace(SETTINGS, sampler="random", seed=1)), 40)
    assert volume(coordinates) > volume(by_chance)


def test_what_is_left_out_comes_after_all_else_and_points_are_not():
    point = {"model": "MLP", "recipe.quantize": "None"}
    settings = replace(SETTINGS, initial_points=(point,))
    options = ProposerOptions(leaves_out=lambda keys: keys == ["MLP"])
    proposer = Proposer(
        settings, SPACE, lambda config: [type(config.model).__name__], Bound, options
    )
    first, *others = (proposer.propose(0) for _ in range(12))
    assert point.items() <= first.candidate.params.items() and not first.is_last_resort
    assert {one.candidate.params["model"] for one in others} == {"ConvNet"}
    assert not any(one.is_last_resort for one in others)


def test_where_all_is_left_out_the_last_of_many_is_proposed():
    proposer = proposer_of(leaves_out=lambda keys: True)
    proposer.propose(0)
    assert proposer.propose(0).is_last_resort


def test_branches_are_proposed_once_trials_are_complete():
    drawn, _ = search(proposer_of(), 40)
    assert all(one.candidate.parent is None for one in drawn[: NUM_SPREAD + 1])
    assert any(one.candidate.parent is not None for one in drawn)
    without, _ = search(proposer_of(reuse=False), 25)
    assert all(one.candidate.parent is None for one in without)


def test_points_come_first_and_what_they_leave_out_is_drawn():
    points = ({"model": "MLP", "recipe.quantize": "None"}, {"model": "ConvNet"})
    drawn, _ = search(proposer_of(replace(SETTINGS, initial_points=points)), 3)
    for point, one in zip(points, drawn):
        assert point.items() <= one.candidate.params.items()


def test_without_points_the_first_is_what_the_space_marks_as_likely():
    model = SPACE.trial.model.options[0]
    likely = replace(model, widths=(Int(16, 128, step=8, likely=40),))
    space = Space(replace(SPACE.trial, model=likely), SPACE.objectives)
    drawn, _ = search(proposer_of(space=space), 30)
    widths = [one.candidate.params["model.widths.0"] for one in drawn]
    assert widths[0] == 40 and 3 <= sum(30 <= width <= 50 for width in widths) < 30


def test_earlier_searches_inform_but_do_not_join_the_front():
    before, _ = search(proposer_of(), 20)
    ended = [record(one.candidate, number) for number, one in enumerate(before)]
    earlier = [replace(one, id=TrialId(one.id.number, Kind.EARLIER)) for one in ended]
    proposer = proposer_of(earlier=earlier)
    assert len(proposer.known.history.observations) == 20 and not proposer.known.front.members
    _, warm = search(proposer, 10)
    _, cold = search(proposer_of(), 10)
    assert volume(warm) > volume(cold)


class Large(Bound):
    """A ConvNet is larger than SMALL has it."""

    def __init__(self, config):
        super().__init__(config)
        self.size_bytes = 9000 if type(config.model).__name__ == "ConvNet" else 100


SMALL = replace(SETTINGS, constraints=("size_bytes<=5000",))
WIDEST = {"model": "ConvNet"}


@pytest.mark.parametrize("sampler", ["tpe", "random"])
def test_a_reference_that_a_goal_needs_is_proposed_first_though_it_breaks_a_constraint(sampler):
    settings = replace(
        SMALL, sampler=sampler, initial_points=(WIDEST, WIDEST), reference_params=WIDEST
    )
    proposer = Proposer(settings, SPACE, lambda config: [], Large, ProposerOptions())
    first, second = search(proposer, 2)[0]
    assert first.candidate.params["model"] == "ConvNet" and not first.drawing.screened
    assert second.candidate.params["model"] == "MLP", "others that break it are refused"
    goal = Goal("accuracy within 1% of reference", settings, [record(first.candidate, 0)])
    assert goal.reference.is_trained


def test_a_reference_is_drawn_with_steps_that_suit_it():
    class Unsuited(Bound):
        def __init__(self, config):
            super().__init__(config)
            self.is_rejected = any(step.compresses for step in config.recipe)

    settings = replace(SETTINGS, initial_points=(WIDEST,), reference_params=WIDEST)
    for seed in range(5):
        own = replace(settings, seed=seed)
        proposer = Proposer(own, SPACE, lambda config: [], Unsuited, ProposerOptions())
        first = proposer.propose(0).candidate
        assert first.params["model"] == "ConvNet" and first.params["recipe.quantize"] == "None"


def test_candidates_that_break_a_constraint_are_screened():
    proposer = Proposer(SMALL, SPACE, lambda config: [], Large, ProposerOptions())
    drawn, _ = search(proposer, 20)
    assert {one.candidate.params["model"] for one in drawn} == {"MLP"}
    screened = [params for one in drawn for params in one.drawing.screened]
    assert {params["model"] for params in screened} == {"ConvNet"}


def test_one_candidate_is_tried_where_all_are_screened():
    settings = replace(SETTINGS, constraints=("size_bytes<=5",))
    drawn = proposer_of(settings).propose(0)
    assert len(drawn.drawing.screened) == 50 and drawn.is_new
    assert drawn.candidate.params not in drawn.drawing.screened


@pytest.mark.parametrize("sampler", ["tpe", "random"])
def test_a_space_that_is_used_up_is_repeated(sampler):
    text = space_file.find("linear").read_text()
    small = space_file.load(text).trial
    recipe = (replace(small.recipe[0], learning_rate=None),)
    space = Space(TrialConfig(small.dataset, small.model, recipe), NAMES)
    settings = replace(SETTINGS, sampler=sampler)
    drawn, _ = search(proposer_of(settings, space), 5)
    assert [one.is_new for one in drawn] == [True, True, True, False, False]
