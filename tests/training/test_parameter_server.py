"""The server alone: how stale gradients may be, and that nobody waits for ever."""

import random
import threading
import time

import pytest
import torch

from automl.training.parameter_server import Server

SHARES = 60


def serve(num_workers, staleness, pauses):
    """Let workers learn from all shares of two epochs; returns the server, and what each took."""
    weights = torch.nn.Parameter(torch.zeros(3, dtype=torch.float64))
    server = Server([weights], torch.optim.SGD([weights]), num_workers, staleness)
    taken = [[] for _ in range(num_workers)]
    barrier = threading.Barrier(num_workers)

    def work(worker):
        waits = random.Random(worker)
        for epoch in range(2):
            while (share := server.take(worker, epoch, SHARES)[0]) >= 0:
                taken[worker].append((epoch, share))
                time.sleep(pauses[worker] * waits.random())
                server.give(worker, torch.ones(3, dtype=torch.float64), 0.5)
            barrier.wait(120)

    threads = [threading.Thread(target=work, args=(i,), daemon=True) for i in range(num_workers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert not any(thread.is_alive() for thread in threads)
    return server, taken


@pytest.mark.parametrize("num_workers", [1, 2, 4])
@pytest.mark.parametrize("staleness", [0, 1, 3, 8])
def test_staleness_is_bounded_and_shares_are_learned_once(num_workers, staleness):
    server, taken = serve(num_workers, staleness, [0.001, 0.004, 0.001, 0.002])
    assert server.max_staleness <= staleness
    everything = sorted(share for own in taken for share in own)
    assert everything == [(epoch, share) for epoch in range(2) for share in range(SHARES)]
    assert torch.equal(server.parameters[0].detach(), torch.full((3,), -0.5 * 2 * SHARES).double())


@pytest.mark.parametrize("staleness", [1, 4])
def test_a_fast_worker_is_ahead_by_the_bound_at_most(staleness):
    weights = torch.nn.Parameter(torch.zeros(1))
    server = Server([weights], torch.optim.SGD([weights]), 2, staleness)
    assert server.take(1, 0, SHARES)[0] == 0
    for _ in range(staleness):
        server.take(0, 0, SHARES)
        server.give(0, torch.ones(1), 1.0)
    server.take(0, 0, SHARES)
    ahead = threading.Thread(target=server.give, args=(0, torch.ones(1), 1.0))
    ahead.start()
    ahead.join(0.2)
    assert ahead.is_alive()
    server.give(1, torch.ones(1), 1.0)
    ahead.join(10)
    assert not ahead.is_alive()
    assert server.max_staleness == staleness


def test_in_step_all_gradients_are_averaged():
    weights = torch.nn.Parameter(torch.zeros(2))
    server = Server([weights], torch.optim.SGD([weights]), 2, None)
    found = {}

    def work(worker):
        for gradient in ([2.0, 0.0], [0.0, 4.0]):
            sent = torch.tensor(gradient) if worker else torch.zeros(2)
            found[worker] = server.in_step(worker, sent, 1.0)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert found[0].tolist() == found[1].tolist() == [-1.0, -2.0]


def test_gradients_lie_in_memory_as_their_weights_do():
    weights = torch.nn.Parameter(torch.zeros(4, 3, 2, 2).to(memory_format=torch.channels_last))
    server = Server([weights], torch.optim.SGD([weights]), 1, None)
    values = torch.arange(48.0)
    assert torch.equal(server.in_step(0, values, 1.0), -values)
    assert weights.grad.stride() == weights.stride()
    assert torch.equal(weights.grad.flatten(), values)


def test_whoever_waits_is_told_of_an_error():
    weights = torch.nn.Parameter(torch.zeros(2))
    server = Server([weights], torch.optim.SGD([weights]), 2, None)
    threading.Timer(0.1, server.fail, [OSError("Connection closed by peer")]).start()
    with pytest.raises(RuntimeError, match="the parameter server has ended: Connection closed"):
        server.in_step(0, torch.zeros(2), 1.0)
