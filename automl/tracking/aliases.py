"""Names in MLflow's registry for the models of a front."""

from __future__ import annotations

from automl.study.record import TrialRecord
from automl.study.selection import choose
from automl.study.study import Study
from automl.tracking.pages.formats import named

CHAMPION = "champion"


def aliases(study: Study) -> dict[str, TrialRecord]:
    """The models of a search that have a name of their own; none while the front is empty."""
    front = study.front().members
    if not front:
        return {}
    result = front[0].result
    assert result is not None and result.measurement is not None
    named = {
        "most-accurate": choose(study, best=next(iter(result.measurement.quality))),
        "smallest": choose(study, best="size_bytes"),
        "fastest": choose(study, best="latency_ms"),
        "knee": choose(study, knee=True),
    }
    exported = study.attribute("exported")
    if exported is not None:
        named[CHAMPION] = choose(study, trial=exported)
    return named


def in_words(record: TrialRecord) -> str:
    """A model's figures in one line."""
    result = record.result
    assert result is not None and result.measurement is not None
    names = (*result.measurement.quality, "size_bytes", "latency_ms")
    return ", ".join(named(name, record.values[name]) for name in names)
