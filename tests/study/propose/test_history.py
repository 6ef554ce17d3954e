import random

from helpers.made_up_world import SETTINGS, SPACE, Bound, record

from automl.space.sampling import uniform
from automl.study.propose import history
from automl.study.propose.candidates import walk
from automl.study.propose.history import History, observe
from automl.study.trial_id import TrialId


def observed(count):
    for number in range(count):
        candidate = walk(SPACE, uniform(random.Random(str(number))))
        one = record(candidate, number)
        yield observe(one, candidate, Bound(candidate.config), SETTINGS, SETTINGS.limits)


def test_what_no_model_learns_from_is_forgotten(monkeypatch):
    monkeypatch.setattr(history, "KEPT", 10)
    known, all_of_them = History(), list(observed(57))
    for one in all_of_them:
        known.add(one)
        known.forget({TrialId(3)})
    latest = known.observations
    assert len(latest) == 57 and len(latest.kept) < 20
    assert latest.before(57, 4) == all_of_them[53:] and latest.before(51, 2) == all_of_them[49:51]
    assert TrialId(3) in known.by_id and len(known.by_id) < 40
    assert known.nearest == max(one.nearness for one in all_of_them)
