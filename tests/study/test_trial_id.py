import pytest

from automl.study.trial_id import Kind, TrialId


@pytest.mark.parametrize("kind", list(Kind))
def test_an_id_is_read_back_from_what_it_prints(kind):
    trial = TrialId(7, kind)
    assert TrialId.parse(str(trial)) == trial


def test_ids_are_printed_with_four_digits_and_the_kind_of_a_refit():
    assert [str(TrialId(7)), str(TrialId(7).refit), str(TrialId(12345))] == [
        "0007",
        "0007-refit",
        "12345",
    ]


def test_trials_come_before_refits_and_both_are_ordered_by_number():
    ids = [TrialId(2).refit, TrialId(10), TrialId(1).refit, TrialId(9)]
    assert sorted(ids) == [TrialId(9), TrialId(10), TrialId(1).refit, TrialId(2).refit]


def test_a_refit_knows_its_origin():
    assert TrialId(3).refit.origin == TrialId(3) and TrialId(3).refit.is_refit


@pytest.mark.parametrize("text", ["", "seven", "0007-finish"])
def test_another_text_is_no_id(text):
    with pytest.raises(ValueError, match=r"invalid literal|not a valid"):
        TrialId.parse(text)
