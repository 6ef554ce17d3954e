"""A search whose every event is a line of JSON: `watched_search.py ADDRESS HOME SPACE OPTIONS`."""

import json
import sys
import time
from pathlib import Path

from automl.engine import api
from automl.engine.watch import Watch


class Lines(Watch):
    def waiting(self, why):
        say("waiting", why=why)

    def planned(self, plan):
        say("planned", plan=plan)

    def left_out(self, why):
        say("left_out", why=why)

    def began(self, study, slots, budget):
        say("began", slots=slots)

    def started(self, record):
        say("started", number=record.id.number)

    def reported(self, trial, report):
        say("reported", number=trial.number, step=report.step, epoch=report.epoch)

    def paused(self, trial):
        say("paused", number=trial.number)

    def lost(self, trial, fault):
        say("lost", number=trial.number, fault=fault)

    def resized(self, slots):
        say("resized", slots=slots)

    def finished(self, record):
        result = record.result
        say("finished", number=record.id.number, status=result.status, reason=result.reason)


def say(event, **about):
    print(json.dumps({"at": time.time(), "event": event, **about}), flush=True)


if __name__ == "__main__":
    address, home, space, options = sys.argv[1:]
    given = {"refit_minutes": 0, **json.loads(options)}
    api.search(Path(space), address=address, home=home, watch=Lines(), **given)
