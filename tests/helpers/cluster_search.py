"""A search over a cluster, in a process of its own, and a space whose trainings are noted."""

import collections
import json
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

from automl.engine.searches import open_study
from automl.home import Home
from helpers.raylets import processes, send

WATCHED = Path(__file__).with_name("watched_search.py")
TRIAL = "ray::_Inner"
EPOCHS = 40
SPACE = """
import os, time
from dataclasses import dataclass
from automl import Quantize
from automl import Sklearn
from automl import MLP
from automl.recipe import Report, Step
from automl import Int, Space, TrialConfig
from automl import Augmentation
from automl import Train

@dataclass(frozen=True)
class Slow(Augmentation):
    seconds: float = 0.02
    def __call__(self, rows):
        with open({diary}, "a") as diary:
            print(os.getpid(), len(rows), file=diary)
        time.sleep(self.seconds)
        return rows

train = Train(epochs={epochs}, augmentations=(Slow(),))
space = Space(TrialConfig(Sklearn("digits"), MLP((Int(16, 128),)), (train, Quantize())),
    ("accuracy", "size_bytes"))
"""


class Search:
    """A search in a process of its own, its events as they come."""

    def __init__(self, cluster, place, epochs, text=SPACE, **options):
        space = place / "mine.py"
        self.diary = place / "diary"
        text = text.replace("{epochs}", str(epochs)).replace("{diary}", repr(str(self.diary)))
        space.write_text(text)
        self.home, self.events = place / "home", []
        command = [sys.executable, WATCHED, cluster.address, self.home, space, json.dumps(options)]
        self.process = subprocess.Popen(
            [*map(str, command)], env=cluster.environment, stdout=subprocess.PIPE, text=True
        )
        self.thread = threading.Thread(target=self._read)
        self.thread.start()

    def _read(self):
        with self.process.stdout as lines:
            for line in lines:
                if line.startswith("{"):
                    self.events.append(json.loads(line))

    def rows_trained(self):
        """Rows that went through training, again and again, by the id of the process."""
        text = self.diary.read_text() if self.diary.exists() else ""
        counts = collections.Counter()
        for line in text.splitlines():
            process, num_rows = line.split()
            counts[int(process)] += int(num_rows)
        return counts

    def wait(self, holds, seconds=240):
        """The first event that holds; the seconds only end a test that hangs."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            for event in list(self.events):
                if holds(event):
                    return event
            assert self.process.poll() is None, "the search has ended"
            time.sleep(0.05)
        raise AssertionError(f"it did not happen in {seconds} s: {self.events[-5:]}")

    def busy(self, cluster):
        """A node, not the head, on which a trial is training."""
        deadline, before = time.monotonic() + 240, self.rows_trained()
        while time.monotonic() < deadline:
            time.sleep(0.1)
            now = self.rows_trained()
            training = {process for process in now if now[process] > before[process]}
            for node in cluster.nodes[1:]:
                if node.poll() is None and training.intersection(processes(node.pid, TRIAL)):
                    return node
            before = now
        raise AssertionError("no trial is at work but on the head")

    def end(self, seconds=400):
        assert self.process.wait(seconds) == 0
        self.thread.join()
        return open_study(Home(self.home), "mine").records()

    def close(self):
        send([self.process.pid], signal.SIGKILL)
        self.process.wait()
        self.thread.join()


def of(name, **about):
    return lambda event: event["event"] == name and about.items() <= event.items()
