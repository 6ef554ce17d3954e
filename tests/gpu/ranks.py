"""Every parallelism over the device's own collectives, with one rank and with two."""

import os
import tempfile
from contextlib import contextmanager

import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from made import IMAGE, data, moved_apart, network, step, trained

from automl.models.mlp import MLP
from automl.training.optimizers import SGD
from automl.training.parallel import DataParallel
from automl.training.parameter_server import ParameterServer
from automl.training.pipeline import Pipeline
from automl.training.schedules import Fixed
from automl.training.sharded import Sharded, TensorParallel

MODES = (DataParallel, Sharded, TensorParallel, Pipeline, ParameterServer)
FAMILY = MLP((32, 16), normalisation="none")
LIMIT = 0.01


def over_ranks(settings, count):
    """One epoch in each parallelism over so many ranks, against one device by itself."""
    if settings.device != "cpu" and torch.accelerator.device_count() < count:
        return {"skipped": f"{torch.accelerator.device_count()} devices are here, not {count}"}
    some, train = data(IMAGE, settings.rows), step(SGD(), learning_rate=Fixed(0.01))
    start = network(FAMILY, some).state_dict()
    plain, *_ = trained(FAMILY, some, train, settings.device)
    with tempfile.TemporaryDirectory() as folder:
        with spawned(rank, (folder, count, settings), count):
            pass
        found = torch.load(f"{folder}/found")
    figures = {
        name: what if isinstance(what, str) else round(moved_apart(what, plain, start), 6)
        for name, what in found.items()
    }
    failed = [n for n, what in figures.items() if isinstance(what, str) or what > LIMIT]
    return {"ok": not failed, "failed": failed, "limit": LIMIT, "apart": figures}


@contextmanager
def spawned(work, args, count):
    """So many processes, which have ended, or are ended, when the block is left. Raises what one
    of them raised."""
    started = mp.spawn(work, args, nprocs=count, join=False)
    try:
        yield started
        while not started.join(1.0):
            pass
    finally:
        for process in started.processes:
            process.kill()


def rank(index, folder, count, settings):
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT="0")
    torch.set_num_threads(1)
    if settings.device != "cpu":
        torch.accelerator.set_device_index(index)
    backend = dist.get_default_backend_for_device(settings.device)
    store = dist.FileStore(f"{folder}/ranks", count)
    dist.init_process_group(backend, store=store, rank=index, world_size=count)
    found, some = {}, data(IMAGE, settings.rows)
    for mode in MODES:
        train = step(SGD(), learning_rate=Fixed(0.01), parallelism=mode())
        try:
            found[mode.__name__] = trained(FAMILY, some, train, settings.device)[0]
        except Exception as error:
            if count > 1:
                raise  # the others wait for this rank
            found[mode.__name__] = f"{type(error).__name__}: {error}"
    if index == 0:
        torch.save(found, f"{folder}/found")
    dist.destroy_process_group()
