"""Samples a second of several small trials, each a process of its own, on one device."""

import time
from queue import Empty

import torch
import torch.multiprocessing as mp
from made import context, data, network, step
from ranks import spawned

from automl.models.convnet import ConvNet
from automl.training.optimizers import AdamW

COUNTS = (1, 4, 8, 16)
LEAST_GAIN = 4.0
"""Of eight trials on one card, over one alone."""


def of_small_trials(settings):
    """One after the other, 1, 4, 8 and 16 of the processes train at once."""
    counts = [count for count in COUNTS if count <= settings.most_trials]
    spawning = mp.get_context("spawn")
    queue, barrier = spawning.Queue(), spawning.Barrier(counts[-1])
    rows = dict.fromkeys(counts, 0.0)
    with spawned(trial, (counts, queue, barrier, settings), counts[-1]) as processes:
        for _ in range(sum(counts)):
            count, speed = told(queue, processes)
            rows[count] += speed
    figures = {f"samples_per_second_{count}": round(speed) for count, speed in rows.items()}
    gains = {f"gain_{count}": round(speed / rows[1], 2) for count, speed in rows.items()}
    is_enough = settings.device == "cpu" or gains["gain_8"] >= LEAST_GAIN
    return {"ok": is_enough, "least_gain_8": LEAST_GAIN, **figures, **gains}


def told(queue, processes):
    """What a process puts into a queue. Raises what one of them raised."""
    while True:
        try:
            return queue.get(timeout=1.0)
        except Empty:
            processes.join(0.0)


def trial(index, counts, queue, barrier, settings):
    """A small training, in turns: warm, then for a while whenever this process takes part."""
    torch.set_num_threads(1)
    some = data((1, 28, 28), settings.trial_rows)
    family = ConvNet((16, 32))
    train = step(AdamW(), epochs=100_000)
    epochs = train.run(network(family, some), context(some, settings.device))
    next(epochs)
    for count in counts:
        barrier.wait()
        if index >= count:
            continue
        started, done = time.perf_counter(), 0
        while time.perf_counter() < started + settings.trial_seconds:
            next(epochs)
            done += settings.trial_rows
        queue.put((count, done / (time.perf_counter() - started)))
    epochs.close()
