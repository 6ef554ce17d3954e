import time

import pytest

from automl.retry import patient


@pytest.fixture
def pauses(monkeypatch):
    """The pauses so far, on a clock that only they move."""
    pauses = []
    monkeypatch.setattr(time, "sleep", pauses.append)
    monkeypatch.setattr(time, "monotonic", lambda: float(sum(pauses)))
    return pauses


def test_passing_errors_are_retried_with_growing_pauses(pauses):
    errors = (OSError(str(number)) for number in range(100))

    @patient(lambda error: isinstance(error, OSError))
    def work():
        raise next(errors)

    with pytest.raises(OSError, match=r"^\d+$") as raised:
        work()
    assert pauses[:6] == [0.25, 0.5, 1.0, 2.0, 4.0, 5.0] and set(pauses[6:]) == {5.0}
    assert 115 < sum(pauses) < 120
    assert str(raised.value) == str(len(pauses)), "the last error"


def test_what_has_passed_gives_its_value(pauses):
    outcomes = iter([OSError(), OSError(), "done"])

    @patient(lambda error: isinstance(error, OSError))
    def work():
        outcome = next(outcomes)
        if isinstance(outcome, OSError):
            raise outcome
        return outcome

    assert work() == "done" and pauses == [0.25, 0.5]


@pytest.mark.parametrize("error", [ValueError(), KeyboardInterrupt()])
def test_what_does_not_pass_is_raised_at_once(pauses, error):
    @patient(lambda error: isinstance(error, OSError))
    def work():
        raise error

    with pytest.raises(type(error)):
        work()
    assert pauses == []
