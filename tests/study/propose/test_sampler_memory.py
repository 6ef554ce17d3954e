import random
from functools import partial

from helpers.made_up_world import SETTINGS, SPACE, record

from automl.space.sampling import uniform
from automl.study.propose import sampler_memory
from automl.study.propose.candidates import walk
from automl.study.propose.sampler_memory import SamplerMemory


def test_a_memory_of_two_windows_is_as_good_as_one_of_all(monkeypatch):
    monkeypatch.setattr(sampler_memory, "WINDOW", 4)
    memory, last = SamplerMemory(SETTINGS), []
    for number in [*range(37), 1, 36]:
        one = record(walk(SPACE, uniform(random.Random(str(number)))), number)
        memory.learn(one)
        last = [other for other in last if other.id != one.id] + [one]
    memory.ask(partial(walk, SPACE), 0, 0.0)
    assert len(memory.entries) <= 17
    known = memory.study.get_trials(deepcopy=False)[:-1]
    assert [trial.params for trial in known] == [one.params for one in last[-len(known) :]]
    # Nine windows are full: the last of these, and what came after it.
    assert len(known) == 4 + 37 - 36
