import pytest

from automl.measure.measurement import Measurement
from automl.pareto import Axis
from automl.recipe import Report
from automl.space import space_file
from automl.space.space import MAX_SEED
from automl.space.store_keys import needed_keys, prefix_keys
from automl.study.background import Immediately
from automl.study.dispatcher import Dispatcher, DispatcherOptions
from automl.study.propose.samplers import SAMPLERS
from automl.study.record import Settings
from automl.study.study import Study, create
from automl.study.trial_id import TrialId
from automl.trial.result import Status, TrialResult

OBJECTIVES = ("accuracy", "size_bytes")
TWO_PREFIXES = """
from automl import Prune
from automl import Quantize
from automl import Sklearn
from automl import MLP
from automl import Float, OneOf, Space, TrialConfig
from automl import Train

recipe = (Train(epochs=OneOf(1, 2)), Prune(Float(0.1, 0.9)), OneOf(None, Quantize()))
space = Space(TrialConfig(Sklearn("digits"), MLP((16,)), recipe), ("accuracy", "size_bytes"))
"""


ONE_SIBLING = """
from automl import Sklearn
from automl import MLP
from automl import Sibling
from automl import Float, Int, OneOf, Space, TrialConfig
from automl import Distill
from automl import Train

teacher = Sibling((Train(epochs=9),), {model})
recipe = (Train(loss=OneOf(None, Distill(teacher, Float(1.0, 8.0)))),)
space = Space(TrialConfig(Sklearn("digits"), MLP((Int(8, 64),)), recipe), ("accuracy",))
"""


class Bound:
    """Nothing is known before."""

    is_rejected = False

    def __init__(self, config):
        self.size_bytes = self.macs = 0
        self.steps = {}


@pytest.fixture
def start(tmp_path):
    """A dispatcher on a new search, or on what an earlier one left."""

    def start(text, sampler="tpe", stored=(), seed=0, **options):
        space, folder = space_file.load(text), tmp_path / "study"
        axes = {"accuracy": Axis(0.1, 1.0), "size_bytes": Axis(1e5, 1e2, True)}
        if not folder.exists():
            settings = Settings("s", "", OBJECTIVES, (), {}, seed, sampler, axes, 1.0)
            create(folder, settings, text, {"": b""})
        options = {"slots": 99, "max_live": 99, **options}
        options = DispatcherOptions(**options, thread=Immediately)
        return Dispatcher(Study(folder), space, "", lambda key: key in stored, Bound, options)

    return start


def outcome(params):
    """A made-up but fixed result of a proposal."""
    accuracy = 0.9 - params.get("recipe.prune.fraction", 0.0) / 2
    size = 5000 if params.get("recipe.quantize") == "None" else 2000
    return TrialResult(
        Status.COMPLETE, key="k", measurement=Measurement({"accuracy": accuracy}, size, 1.0, 1.0)
    )


@pytest.mark.parametrize("sampler", list(SAMPLERS))
def test_every_sampler_proposes_and_learns(sampler, start):
    dispatcher = start(space_file.find("digits").read_text(), sampler)
    for _ in range(15):
        record = dispatcher.next()
        dispatcher.end(record.id, outcome(record.params))
    assert len({str(record.params) for record in dispatcher.study.records()}) == 15


def test_a_proposal_waits_while_its_prefix_is_in_the_making(start):
    stored = set()
    dispatcher = start(TWO_PREFIXES, "random", stored)
    first, second = dispatcher.next(), dispatcher.next()
    assert {r.params["recipe.train.epochs"] for r in (first, second)} == {"1", "2"}
    assert dispatcher.next() is None
    stored.add(prefix_keys(dispatcher.under_way.config(first.params))[0])
    dispatcher.goes_on(first.id, Report("prune", 1, 1, {}))
    third = dispatcher.next()
    assert third.params["recipe.train.epochs"] == first.params["recipe.train.epochs"]
    dispatcher.end(second.id, TrialResult(Status.FAILED, reason="lost"))
    fourth = dispatcher.next()
    assert fourth is not None


def test_many_slots_are_all_taken_though_proposals_wait(start):
    text = TWO_PREFIXES.replace("OneOf(1, 2)", "Int(1, 60)").replace("OneOf", "Int, OneOf", 1)
    dispatcher = start(text, "random", slots=40, max_live=40)
    for _ in range(2):
        trials = [record.id for record in iter(dispatcher.next, None)]
        assert len(trials) == 40 and len(dispatcher.making.waiting) > 4
        for trial in trials:
            dispatcher.end(trial, TrialResult(Status.FAILED, reason="lost"))


def test_many_slots_are_taken_by_what_need_not_wait(start):
    """More than half of what is drawn would have to wait, and more than there are slots in all."""
    text = TWO_PREFIXES.replace("OneOf(1, 2)", "Int(1, 45)").replace("OneOf", "Int, OneOf", 1)
    dispatcher = start(text, "random", slots=40, max_live=40)
    assert len(list(iter(dispatcher.next, None))) == 40
    assert len(dispatcher.making.waiting) == 40


def test_slots_that_nothing_can_take_are_tried_one_at_a_time(start):
    dispatcher = start(TWO_PREFIXES, "random", slots=40, max_live=40)
    for _ in range(5):
        first, second = iter(dispatcher.next, None)
        assert first.params["recipe.train.epochs"] != second.params["recipe.train.epochs"]
        waiting = len(dispatcher.making.waiting)
        dispatcher.end(first.id, TrialResult(Status.FAILED, reason="lost"))
        dispatcher.end(second.id, TrialResult(Status.FAILED, reason="lost"))
    assert waiting <= 42


def test_a_cluster_that_grows_is_filled_and_one_that_shrinks_is_emptied(start):
    dispatcher = start(space_file.find("digits").read_text(), "random", slots=1, max_live=2)
    trials = [dispatcher.next().id, dispatcher.next().id]
    assert dispatcher.next() is None
    dispatcher.resize(3, 4)
    trials += [dispatcher.next().id, dispatcher.next().id]
    assert dispatcher.next() is None and trials == [TrialId(number) for number in range(4)]
    dispatcher.resize(1, 2)
    for trial in trials[:2]:
        dispatcher.end(trial, TrialResult(Status.FAILED, reason="lost"))
        assert dispatcher.next() is None
    dispatcher.end(trials[2], TrialResult(Status.FAILED, reason="lost"))
    assert dispatcher.next().id == TrialId(4)


def test_prefixes_begun_before_a_resize_are_waited_for(start):
    dispatcher = start(TWO_PREFIXES, "random", slots=1, max_live=2)
    made = {dispatcher.next().params["recipe.train.epochs"] for _ in range(2)}
    dispatcher.resize(4, 5)
    others = [record.params["recipe.train.epochs"] for record in iter(dispatcher.next, None)]
    assert sorted([*made, *others]) == ["1", "2"]


@pytest.mark.parametrize(("model", "waits"), [("MLP((200,))", True), ("None", False)])
def test_a_proposal_waits_while_its_sibling_is_in_the_making(model, waits, start):
    """A sibling of its own width, which no two students share, holds nobody back."""
    stored = set()
    dispatcher = start(ONE_SIBLING.replace("{model}", model), "random", stored)

    def is_taught(record):
        return record.params["recipe.train.loss"] == "Distill"

    running = [record for record in (dispatcher.next() for _ in range(12)) if record is not None]
    taught = [record for record in running if is_taught(record)]
    assert len(running) > len(taught)
    assert (len(taught) == 1) == waits
    stored.add(needed_keys(dispatcher.under_way.config(taught[0].params))[-1])
    dispatcher.goes_on(taught[0].id, Report("train", 1, 1, {}))
    assert not waits or is_taught(dispatcher.next())


@pytest.mark.parametrize("sampler", list(SAMPLERS))
def test_every_seed_of_a_space_seeds_every_sampler(sampler, start):
    assert start(TWO_PREFIXES, sampler, seed=MAX_SEED).next() is not None


@pytest.mark.parametrize("sampler", list(SAMPLERS))
def test_kills_do_not_change_the_proposals_of_one_slot(sampler, start, tmp_path):
    text = space_file.find("digits").read_text()

    def search(kills):
        dispatcher, proposed = start(text, sampler, slots=1, max_live=2), {}
        live = [dispatcher.next(), dispatcher.next()]
        for i in range(30):
            if i in kills:
                dispatcher = start(text, sampler, slots=1, max_live=2)
                live = [dispatcher.next(), dispatcher.next()]
            proposed |= {record.id: record.params for record in live}
            record = live.pop(0)
            dispatcher.end(record.id, outcome(record.params))
            live.append(dispatcher.next())
        return proposed

    whole = search(kills=())
    (tmp_path / "study").rename(tmp_path / "whole")
    assert search(kills=(3, 17, 18)) == whole


def test_what_was_left_running_is_adopted_under_its_number(start):
    text = space_file.find("digits").read_text()
    dispatcher = start(text)
    done, left = dispatcher.next(), dispatcher.next()
    dispatcher.end(done.id, outcome(done.params))
    resumed = start(text)
    adopted = resumed.next()
    assert (adopted.id, adopted.params) == (left.id, left.params)
    resumed.end(adopted.id, outcome(adopted.params))
    assert resumed.num_started == 2
    assert [record.result is None for record in resumed.study.records()] == [False, False]


def test_a_space_of_fewer_configurations_than_trials_repeats_some(start):
    dispatcher = start(TWO_PREFIXES.replace("Float(0.1, 0.9)", "0.5"), "random")
    for _ in range(7):
        record = dispatcher.next()
        dispatcher.end(record.id, outcome(record.params))
    assert len({str(record.params) for record in dispatcher.study.records()}) == 4


def test_what_waits_for_its_prefix_comes_before_a_repetition(start):
    stored = set()
    text = TWO_PREFIXES.replace("Float(0.1, 0.9)", "0.5")
    dispatcher = start(text, "random", stored, max_live=3)
    first, second = dispatcher.next(), dispatcher.next()
    assert dispatcher.next() is None
    stored.update(prefix_keys(dispatcher.under_way.config(first.params)))
    dispatcher.end(first.id, outcome(first.params))
    third = dispatcher.next()
    assert third.params not in (first.params, second.params)
    assert dispatcher.next() is None
    stored.update(prefix_keys(dispatcher.under_way.config(second.params)))
    dispatcher.end(second.id, outcome(second.params))
    fourth = dispatcher.next()
    assert len({str(r.params) for r in (first, second, third, fourth)}) == 4
