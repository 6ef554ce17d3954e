"""Two real gloo ranks, in every parallelism, against one process that sees the same batches."""

import os
import tempfile

import pytest
import safetensors.torch
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from helpers.trials import DIGITS, finish, load
from torch import nn

from automl.config import choices, import_choices
from automl.models.convnet import ConvNet
from automl.models.family import Network, Spec, dump
from automl.models.imported import Imported
from automl.models.mlp import MLP
from automl.models.transformer import Transformer
from automl.recipe import Context
from automl.store import Store
from automl.training import batches, parallel
from automl.training.averaging import EMA
from automl.training.batches import Part
from automl.training.distillation import Joint, Mutual
from automl.training.loop import Train
from automl.training.losses import CrossEntropy
from automl.training.optimizers import SGD, AdamW, GradientDescent, Momentum
from automl.training.parallel import DataParallel, Parallelism, SingleDevice, Trainee
from automl.training.schedules import Fixed
from automl.trial.checkpoints import Checkpoints

import_choices()
LOSSES = {"plain": None, "joint": Joint(hints=1.0), "mutual": Mutual()}
MODES = {name: mode() for name, mode in choices(Parallelism).items() if name != "SingleDevice"}
FAMILIES = {
    "plain": MLP((16, 8), normalisation="none"),
    "MLP": MLP((16, 8)),
    "ConvNet": ConvNet((8, 16)),
    "Transformer": Transformer(width=16),
}
OPTIMIZERS = {MLP: AdamW(), ConvNet: AdamW(), Transformer: Momentum()}
"""The bias of an attention's keys has no gradient but rounding: AdamW would make much of it."""
BATCHES = [range(start, start + size) for start, size in ((0, 32), (32, 24), (56, 31), (87, 16))]
EXACT = 1e-12


class Beside(nn.Linear):
    """A layer with a parameter that plays no part in what it gives."""

    def __init__(self, *sizes):
        super().__init__(*sizes)
        self.beside = nn.Parameter(torch.ones(3))


def partly_used():
    return nn.Sequential(nn.Flatten(), Beside(64, 8), nn.ReLU(), Beside(8, 10))


WAYS = {
    "": {},
    "partly used": {"family": Imported(partly_used)},
    "averaged": {"average": EMA(), "clip_gradient_norm": 0.3},
    "formatted": {"channels_last": True},
}


def learned(mode, family, micro=1):
    """The weights and the optimizer's state after the batches, in float64: on the way all is
    gathered and spread anew. Of every batch a rank learns `micro` parts, one after the other."""
    torch.manual_seed(0)
    module = Network(Spec(family, (1, 8, 8), 10)).double()
    images, labels = torch.rand(200, 1, 8, 8).double(), torch.randint(10, (200,))

    def build(learning):
        return OPTIMIZERS[type(family)].build(learning.parameters())

    optimizer = build(module)
    mode.prepare(module)
    index, ranks = mode.share()
    trainee = Trainee(module, module, optimizer, build, lambda called, inputs: called(inputs))
    for some in (BATCHES[:2], BATCHES[2:]):
        spread = mode.spread(trainee)
        spread.module.train()
        for batch in some:
            for rows in parts_of(torch.tensor(batch)[index::ranks], micro):
                part = Part(images[rows], labels[rows], labels[rows], 1.0, None)
                spread.learn(part, CrossEntropy(), len(batch) / ranks)
            spread.step(0.01)
        spread.gather()
        spread.close()
    state = optimizer.state_dict()["state"]
    kept = {f"{i}.{name}": value for i, own in state.items() for name, value in own.items()}
    return {**module.state_dict(), **kept}


def parts_of(rows, micro):
    if micro == "halves":
        return [rows[0::2], rows[1::2]]
    return torch.tensor_split(rows, next(n for n in range(micro, 0, -1) if len(rows) % n == 0))


def train(folder, name, optimizer=None, family=None, **options):
    """One epoch of a network without batch statistics, where the split must not matter."""
    step = Train(optimizer or SGD(), Fixed(0.01), Fixed(64), epochs=1, loss=LOSSES[name], **options)
    context = Context(load(DIGITS), 0, "cpu", None, Checkpoints(Store(folder), name))
    torch.manual_seed(0)
    kind, widths = (ConvNet, (4, 8)) if "channels_last" in options else (MLP, (8,))
    family = family or kind(widths, normalisation="none")
    return finish(step.run(Network(Spec(family, (1, 8, 8), 10)), context))


def checkpointed(folder, name):
    """Its weights, and those of what learned beside it."""
    _, files = Checkpoints(Store(folder), name).load()
    return safetensors.torch.load(files["weights.safetensors"])


def rank(index, folder):
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT="0")
    torch.set_num_threads(1)
    store = dist.FileStore(f"{folder}/ranks", 2)
    dist.init_process_group("gloo", store=store, rank=index, world_size=2)
    assert parallel.agree(index) == 0
    for name, mode in MODES.items():
        for model, family in FAMILIES.items():
            file = safetensors.torch.save(learned(mode, family))
            Store(folder).write(f"{name}.{model}", {f"{index}.safetensors": file})
        for how, options in WAYS.items():
            network = train(f"{folder}/{how}{name}", "plain", parallelism=mode, **options)
            Store(folder).write(f"{how}{name}{index}", dump(network))
    batches.MAX_ROWS_AT_ONCE = 77  # one rank has a row more than 7 parts of it, one has not
    train(f"{folder}/full", "plain", GradientDescent(), parallelism=DataParallel(2))
    for name in LOSSES:
        network = train(f"{folder}/store", name, parallelism=DataParallel(2))
        Store(folder).write(f"{name}{index}", dump(network))
    dist.destroy_process_group()


@pytest.fixture(scope="module")
def ranks():
    """What two ranks left in a folder."""
    with tempfile.TemporaryDirectory() as folder:
        mp.spawn(rank, (folder,), nprocs=2)
        yield folder


@pytest.mark.parametrize("model", FAMILIES)
@pytest.mark.parametrize("name", MODES)
def test_two_ranks_learn_what_one_process_learns(ranks, name, model):
    """Bit for bit where one process can accumulate the very same parts; batch statistics over
    both ranks and sums over pieces of a layer are equal but for rounding."""
    found = [
        safetensors.torch.load(Store(ranks).read(f"{name}.{model}", f"{index}.safetensors"))
        for index in range(2)
    ]
    has_batch_norm = any("running_mean" in tensor for tensor in found[0])
    if name == "Pipeline":
        micro, is_exact = MODES[name].num_microbatches, True
    elif name == "TensorParallel" or has_batch_norm:
        micro, is_exact = 1, False
    else:
        micro, is_exact = "halves", True
    expected = learned(SingleDevice(), FAMILIES[model], micro)
    assert found[0].keys() == expected.keys()
    for tensor, value in expected.items():
        if name != "ParameterServer" or tensor in found[1]:
            assert torch.equal(found[0][tensor], found[1][tensor])
        if is_exact:
            assert torch.equal(found[0][tensor], value), tensor
        assert (found[0][tensor] - value).abs().max() <= EXACT, tensor


@pytest.mark.parametrize("name", MODES)
@pytest.mark.parametrize("how", WAYS)
def test_a_step_trains_alike_in_every_parallelism(ranks, name, how):
    read = [Store(ranks).read(f"{how}{name}{i}", "weights.safetensors") for i in range(2)]
    assert read[0] == read[1]
    found = safetensors.torch.load(read[0])
    expected = train(f"{ranks}/{how}{name}alone", "plain", **WAYS[how]).state_dict()
    for weight, value in expected.items():
        assert torch.allclose(found[weight], value, atol=1e-4)


def test_what_learns_beside_the_model_is_the_same_on_two_ranks(ranks):
    store = Store(ranks)
    for name in LOSSES:
        files = [store.read(f"{name}{index}", "weights.safetensors") for index in range(2)]
        assert files[0] == files[1]
        found = safetensors.torch.load(files[0])
        for weight, expected in train(f"{ranks}/alone", name).state_dict().items():
            assert torch.allclose(found[weight], expected, atol=1e-4)
        together = checkpointed(f"{ranks}/store", name)
        for weight, expected in checkpointed(f"{ranks}/alone", name).items():
            assert torch.allclose(together[weight], expected, atol=1e-4)
