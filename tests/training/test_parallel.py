"""Two real gloo ranks against one process that sees the same batches."""

import os
import tempfile

import safetensors.torch
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from conftest import DIGITS, finish, load

from automl.models.family import Network, Spec, dump
from automl.models.mlp import MLP
from automl.recipe import Context
from automl.store import Store
from automl.training import batches, parallel
from automl.training.distill import Joint, Mutual
from automl.training.loop import Train
from automl.training.optimizers import SGD, GradientDescent
from automl.training.parallel import DataParallel
from automl.training.schedules import Fixed
from automl.trial import Checkpoints

LOSSES = {"plain": None, "joint": Joint(hints=1.0), "mutual": Mutual()}


def train(folder, name, optimizer=None, **options):
    """One epoch of a network without batch statistics, where the split must not matter."""
    step = Train(optimizer or SGD(), Fixed(0.01), Fixed(64), epochs=1, loss=LOSSES[name], **options)
    context = Context(load(DIGITS), 0, "cpu", None, Checkpoints(Store(folder), name))
    torch.manual_seed(0)
    family = MLP((8,), normalisation="none")
    return finish(step.run(Network(Spec(family, (1, 8, 8), 10)), context))


def checkpointed(folder, name):
    """Its weights, and those of what learned beside it."""
    _, files = Checkpoints(Store(folder), name).load()
    return safetensors.torch.load(files["weights.safetensors"])


def rank(index, folder):
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT="0")
    store = dist.FileStore(f"{folder}/ranks", 2)
    dist.init_process_group("gloo", store=store, rank=index, world_size=2)
    assert parallel.agree(index) == 0
    batches.MAX_ROWS_AT_ONCE = 77  # one rank has a row more than 7 parts of it, one has not
    train(f"{folder}/full", "plain", GradientDescent(), parallelism=DataParallel(2))
    for name in LOSSES:
        network = train(f"{folder}/store", name, parallelism=DataParallel(2))
        Store(folder).write(f"{name}{index}", dump(network))
    dist.destroy_process_group()


def test_two_ranks_learn_what_one_process_learns():
    with tempfile.TemporaryDirectory() as folder:
        mp.spawn(rank, (folder,), nprocs=2)
        store = Store(folder)
        for name in LOSSES:
            ranks = [
                safetensors.torch.load(store.read(f"{name}{index}", "weights.safetensors"))
                for index in range(2)
            ]
            for weight, expected in train(f"{folder}/alone", name).state_dict().items():
                assert torch.equal(ranks[0][weight], ranks[1][weight])
                assert torch.allclose(ranks[0][weight], expected, atol=1e-4)
            together = checkpointed(f"{folder}/store", name)
            for weight, expected in checkpointed(f"{folder}/alone", name).items():
                assert torch.allclose(together[weight], expected, atol=1e-4)
