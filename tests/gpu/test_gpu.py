"""What needs a GPU: `pytest -m gpu` where there is one."""

import os
import tempfile

import numpy as np
import onnxruntime
import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from helpers.trials import DIGITS, drive, finish, load

from automl.engine import api
from automl.models.convnet import ConvNet
from automl.models.family import dump, restore, untrained
from automl.recipe import Context
from automl.store import Store
from automl.training.loop import Train
from automl.training.optimizers import SGD
from automl.training.parallel import DataParallel, SingleDevice
from automl.training.schedules import Fixed
from automl.training.sharded import Sharded
from automl.trial.checkpoints import Checkpoints

GPUS = torch.cuda.device_count()
CUDA = "CUDAExecutionProvider"
pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not GPUS, reason="no CUDA device is here")]
two = pytest.mark.skipif(GPUS < 2, reason="NCCL wants a GPU for each of two ranks")
runtime = pytest.mark.skipif(
    CUDA not in onnxruntime.get_available_providers(), reason="this onnxruntime has no CUDA"
)


def test_a_trial_on_a_gpu_is_as_good_as_on_a_cpu(config, store):
    _, result = drive(config, store, device="cuda")
    assert (result.status, result.reason) == ("complete", "")
    assert result.measurement.figures["accuracy"] > 0.8


def test_two_trials_share_a_gpu(ray_session, tmp_path):
    sets = {"recipe.train.epochs": "4", "recipe.fine_tune.epochs": "2"}
    found = api.search("digits", trials=4, gpus_per_trial=0.5, sets=sets, home=tmp_path)
    assert found.summary().slots >= 2
    assert {record.result.status for record in found.study.records()} <= {"complete", "stopped"}


@two
@pytest.mark.parametrize("mode", [DataParallel(2), Sharded(2)], ids=["DataParallel", "Sharded"])
def test_two_ranks_over_nccl_learn_what_one_gpu_learns(mode):
    with tempfile.TemporaryDirectory() as folder:
        mp.spawn(rank, (folder, mode), nprocs=2)
        files = [
            Store(folder).read("network", name) for name in ("weights.safetensors", "spec.json")
        ]
        found = restore(*files).state_dict()
    for name, expected in trained(SingleDevice(), "cuda").state_dict().items():
        assert torch.allclose(found[name], expected.cpu(), atol=1e-3), name


@runtime
def test_an_exported_file_answers_alike_on_a_gpu(config, store):
    _, result = drive(config, store)
    file, rows = store.read(result.key, "model.onnx"), load(DIGITS).validation.inputs
    answers = [
        onnxruntime.InferenceSession(file, providers=[provider]).run(None, {"input": rows})[0]
        for provider in (CUDA, "CPUExecutionProvider")
    ]
    assert np.mean(answers[0].argmax(1) == answers[1].argmax(1)) > 0.99


def rank(index, folder, mode):
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT="0")
    torch.cuda.set_device(index)
    store = dist.FileStore(f"{folder}/ranks", 2)
    dist.init_process_group("nccl", store=store, rank=index, world_size=2)
    network = trained(mode, f"cuda:{index}")
    if index == 0:
        Store(folder).write("network", dump(network.cpu()))
    dist.destroy_process_group()


def trained(mode, device):
    """One epoch on digits."""
    with tempfile.TemporaryDirectory() as folder:
        context = Context(load(DIGITS), 0, device, None, Checkpoints(Store(folder), "step"))
        torch.manual_seed(0)
        step = Train(SGD(), Fixed(0.01), Fixed(64), epochs=1, parallelism=mode)
        return finish(step.run(untrained(ConvNet((8, 16)), context.data.info), context))
