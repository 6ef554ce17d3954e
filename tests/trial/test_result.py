import json

import pytest

from automl.config import decode, encode
from automl.trial.result import Status, TrialResult


@pytest.mark.parametrize("status", list(Status))
def test_a_status_is_its_word_in_json_and_read_back(status):
    text = json.dumps(encode(TrialResult(status, reason="why")))
    assert f'"status": "{status}"' in text
    assert decode(json.loads(text)).status is status


def test_a_result_from_before_layers_were_told_of_is_read():
    data = encode(TrialResult(Status.COMPLETE))
    del data["outcomes"]
    assert decode(data).outcomes == {}


def test_another_word_is_no_status():
    with pytest.raises(ValueError, match="'finished' is not a valid Status"):
        TrialResult("finished")
