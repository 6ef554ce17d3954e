from dataclasses import replace

import optuna
import pytest
from helpers.small_study import SETTINGS, complete, end

from automl.errors import UserError
from automl.recipe import LayerOutcome
from automl.space import space_file
from automl.space.exploring import explore
from automl.space.sampling import trace
from automl.study.propose.samplers import distribution, suggest_from
from automl.study.propose.warm_start import datasets, earlier, keep, kept
from automl.study.record import TrialRecord
from automl.study.study import Study, create
from automl.study.trial_id import TrialId
from automl.trial.result import Status, TrialResult

BEFORE = """
from automl import Prune
from automl import Quantize
from automl import Sklearn
from automl import ConvNet
from automl import MLP
from automl import Float, Int, OneOf, Space, TrialConfig
from automl import Train

recipe = (
    Train(epochs=OneOf(1, 2)),
    Prune(Float(0.1, 0.9)),
    OneOf(None, Quantize(OneOf(8, 4))),
)
model = OneOf(MLP((Int(8, 64, step=8),)), ConvNet((8,)))
space = Space(TrialConfig(Sklearn("digits"), model, recipe), ("accuracy", "size_bytes"))
"""
BULKY = {"sensitivity": {"a": 1}, "outcomes": {"a": (LayerOutcome("weight", 1, "8 bits"),)}}
WAYS = [
    {
        "model": "MLP",
        "model.MLP.widths.0": 16,
        "recipe.train.epochs": "1",
        "recipe.prune.fraction": 0.25,
        "recipe.quantize": "None",
    },
    {
        "model": "ConvNet",
        "recipe.train.epochs": "2",
        "recipe.prune.fraction": 0.75,
        "recipe.quantize": "Quantize",
        "recipe.quantize.bits": "4",
    },
    {
        "model": "MLP",
        "model.MLP.widths.0": 64,
        "recipe.train.epochs": "2",
        "recipe.prune.fraction": 0.5,
        "recipe.quantize": "None",
    },
]


@pytest.fixture
def before(tmp_path):
    """An earlier study: three complete trials, then one stopped, one failed and one running."""
    space = space_file.load(BEFORE)
    settings = replace(SETTINGS, datasets=datasets(explore(space)))
    study = create(tmp_path / "before", settings, BEFORE, {"": b""})
    domains = explore(space).domains

    def start(params):
        distributions = {path: distribution(domains[path]) for path in params}
        record = TrialRecord(TrialId(len(study.records())), params, distributions)
        study.start(record)
        return record

    for i, params in enumerate(WAYS):
        end(study, start(params), replace(complete(0.9, 1000 + i), **BULKY))
    end(study, start(WAYS[0]), TrialResult(Status.STOPPED, reason="worse"))
    end(study, start(WAYS[0]), TrialResult(Status.FAILED, reason="broken"))
    start(WAYS[0])
    return study


def numbers(study, text, fixed=None):
    return [record.id.number for record in earlier(study, space_file.load(text, fixed))]


def test_every_complete_or_stopped_trial_of_the_same_space_counts(before):
    records = earlier(before, space_file.load(BEFORE))
    assert [record.id.number for record in records] == [0, 1, 2, 3]
    ended = [record for record in before.records() if record.id.number < 4]
    for record, original in zip(records, ended):
        assert record.params == original.params
        assert record.result == original.result


@pytest.mark.parametrize(
    ("old", "new", "fitting"),
    [
        ("Float(0.1, 0.9)", "Float(0.1, 0.6)", [0, 2, 3]),
        ("Int(8, 64, step=8)", "Int(8, 48, step=8)", [0, 1, 3]),
        ("Int(8, 64, step=8)", "Int(16, 128, step=16)", [0, 1, 2, 3]),
        (", ConvNet((8,))", "", [0, 2, 3]),
        ("OneOf(8, 4)", "OneOf(8, 2)", [0, 2, 3]),
        ("OneOf(1, 2)", "OneOf(2, 1, 3)", [0, 1, 2, 3]),
        ("ConvNet((8,))", "ConvNet((Int(8, 16),))", [0, 2, 3]),
        ("OneOf(None, Quantize(OneOf(8, 4)))", "Quantize(OneOf(8, 4))", []),
    ],
)
def test_a_trial_counts_if_the_changed_space_can_make_its_choices(before, old, new, fitting):
    text = BEFORE.replace(old, new)
    assert text != BEFORE
    if fitting:
        assert numbers(before, text) == fitting
    else:
        with pytest.raises(UserError, match="none of the 4 complete or stopped trials of search"):
            earlier(before, space_file.load(text))


def test_what_set_fixes_must_be_what_the_trial_had(before):
    assert numbers(before, BEFORE, {"model": "MLP"}) == [0, 2, 3]
    assert numbers(before, BEFORE, {"recipe.prune.fraction": "0.75"}) == [1]


def test_what_set_had_fixed_is_a_choice_of_every_trial(before, tmp_path):
    fixed = {"model": "MLP", "model.MLP.widths.0": "24", "recipe.prune.fraction": "1e-1"}
    settings = replace(before.settings, fixed=fixed)
    narrow = create(tmp_path / "narrow", settings, BEFORE, {"": b""})
    params = {"recipe.train.epochs": "1", "recipe.quantize": "None"}
    domains = explore(space_file.load(BEFORE)).domains
    record = TrialRecord(TrialId(0), params, {p: distribution(domains[p]) for p in params})
    narrow.start(record)
    end(narrow, record, complete(0.9, 1000))
    (wide,) = earlier(narrow, space_file.load(BEFORE))
    assert wide.params == {
        **fixed,
        **params,
        "model.MLP.widths.0": 24,
        "recipe.prune.fraction": 0.1,
    }
    assert wide.distributions.keys() == wide.params.keys()
    for old, new in (("Int(8", "Int(32"), ("Float(0.1", "Float(0.2")):
        with pytest.raises(UserError, match="none of the 1 complete"):
            earlier(narrow, space_file.load(BEFORE.replace(old, new)))


def test_records_carry_the_new_spaces_distributions(before):
    space = space_file.load(BEFORE.replace("Float(0.1, 0.9)", "Float(0.2, 0.8)"))
    domains = explore(space).domains
    for record in earlier(before, space):
        assert record.distributions == {p: distribution(domains[p]) for p in record.params}


def test_a_study_keeps_what_it_started_from(before, tmp_path):
    space = space_file.load(BEFORE)
    records = earlier(before, space)
    new = create(tmp_path / "new", before.settings, BEFORE, {"": b""}, keep(records))
    end(before, before.records()[5], complete(0.5, 500))
    again = kept(Study(tmp_path / "new"), space)
    slim = [replace(record.result, sensitivity={}, outcomes={}) for record in records]
    assert [record.result for record in again] == slim
    assert [(r.id.number, r.params) for r in again] == [(r.id.number, r.params) for r in records]
    assert [r.distributions for r in again] == [r.distributions for r in records]
    assert new.records() == []
    assert kept(before, space) == []


def test_other_objectives_or_data_are_refused(before):
    with pytest.raises(UserError, match="search 'before' was for accuracy, size_bytes and this"):
        earlier(before, space_file.load(BEFORE.replace('"size_bytes"', '"latency_ms"')))
    with pytest.raises(UserError, match="learned from other data than this space names"):
        earlier(before, space_file.load(BEFORE.replace('"digits"', '"wine"')))


def test_a_distribution_is_what_optuna_is_asked_for():
    """Else Optuna would not see values of a record and its own draws as of one parameter."""
    space = space_file.load(BEFORE)
    trial = optuna.create_study().ask()
    params = trace(space, suggest_from(trial)).params
    domains = explore(space).domains
    assert trial.distributions == {path: distribution(domains[path]) for path in params}
