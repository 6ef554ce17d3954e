from helpers.small_study import make_study
from optuna.distributions import CategoricalDistribution, FloatDistribution

from automl.study.record import TrialRecord
from automl.study.study import Study
from automl.study.trial_id import TrialId


def test_trials_that_are_read_share_their_distributions(tmp_path):
    study = make_study(tmp_path)
    known = {"rate": FloatDistribution(1e-4, 1.0, log=True), "kind": CategoricalDistribution("ab")}
    for number in range(2):
        study.start(TrialRecord(TrialId(number), {"rate": 0.1, "kind": "a"}, known))
    first, second = Study(study.folder).records()
    assert first.distributions == known
    assert all(first.distributions[path] is second.distributions[path] for path in known)
