from helpers.small_study import make_study
from optuna.distributions import CategoricalDistribution, FloatDistribution

from automl.study import stored_record
from automl.study.layout import JOURNAL
from automl.study.optuna_patches import JournalEntry, journal_entry
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


def test_a_line_of_a_journal_is_read_by_itself(tmp_path):
    study = make_study(tmp_path)
    known = {"rate": FloatDistribution(1e-4, 1.0, log=True), "kind": CategoricalDistribution("ab")}
    before = (study.folder / JOURNAL).read_bytes()
    study.start(TrialRecord(TrialId(0), {"rate": 0.1, "kind": "b"}, known))
    study.set_attribute("slots", 3)
    lines = (study.folder / JOURNAL).read_bytes().removeprefix(before).splitlines()
    started, *others = map(journal_entry, lines)
    assert started.params == {"rate": 0.1, "kind": "b"}
    assert set(started.attributes) == set(stored_record.attributes(study.records()[0]))
    (slots,) = [entry for entry in others if "slots" in entry.attributes]
    assert slots == JournalEntry(None, {"slots": 3})
