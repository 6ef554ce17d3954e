"""Two real gloo ranks against one process that sees the same batches."""

import os
import tempfile

import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from conftest import DIGITS, finish, load

from automl.models.deployed import predict, seen_by
from automl.models.family import Network, Spec, dump, restore
from automl.models.mlp import MLP
from automl.recipe import Context
from automl.store import Store
from automl.training import batches, parallel
from automl.training.loop import Train
from automl.training.optimizers import SGD, GradientDescent
from automl.training.parallel import DataParallel
from automl.training.schedules import Fixed
from automl.trial import Checkpoints


def train(folder, parallelism=None, optimizer=None):
    """One epoch of a network without batch statistics, where the split must not matter."""
    options = {} if parallelism is None else {"parallelism": parallelism}
    step = Train(optimizer or SGD(), Fixed(0.01), Fixed(64), epochs=1, **options)
    context = Context(load(DIGITS), 0, "cpu", None, Checkpoints(Store(folder), "step"))
    torch.manual_seed(0)
    return finish(step.run(Network(Spec(MLP(()), (1, 8, 8), 10)), context))


def rank(index, folder):
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT="0")
    store = dist.FileStore(f"{folder}/ranks", 2)
    dist.init_process_group("gloo", store=store, rank=index, world_size=2)
    assert parallel.agree(index) == 0
    batches.MAX_ROWS_AT_ONCE = 77  # one rank has a row more than 7 parts of it, one has not
    train(f"{folder}/full", DataParallel(2), GradientDescent())
    network = train(f"{folder}/store", DataParallel(2))
    Store(folder).write(f"rank{index}", dump(network))
    dist.destroy_process_group()


def test_two_ranks_learn_what_one_process_learns():
    with tempfile.TemporaryDirectory() as folder:
        mp.spawn(rank, (folder,), nprocs=2)
        store = Store(folder)
        ranks = [
            restore(store.read(key, "weights.safetensors"), store.read(key, "spec.json"))
            for key in ("rank0", "rank1")
        ]
        alone = train(f"{folder}/alone")
    data = load(DIGITS)
    rows = seen_by(alone, data.validation.inputs, data.about)
    assert torch.equal(predict(ranks[0], rows), predict(ranks[1], rows))
    assert torch.allclose(predict(ranks[0], rows), predict(alone, rows), atol=1e-4)
