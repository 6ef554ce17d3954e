"""What each compression costs in quality, and what it saves in bytes and latency.

python tests/benchmarks/compression.py [--digits] [--mnist DIR] [--fashion DIR] [--older DIR]

Six models on digits with every technique; five seeds of one of them; a larger network on all of
MNIST; and one on all of Fashion-MNIST. What is not asked for stays as an earlier run left it,
and what was trained is kept: run again after an interruption, it goes on. Quality is that of
exported files on rows that were not learned from; latencies are ratios taken in turn. --older
names where an older onnxruntime was installed (pip install --no-deps --target DIR
onnxruntime==1.20.1), in which the files of what is asked for are to give the same classes.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).parent.parent))

import numpy as np
import onnx
import report_file
import torch
from cells import CACHE, STORE, file_of, trial
from helpers.stored_widths import bytes_over_bound
from numpy.typing import NDArray

from automl import quality
from automl.compression.binarize import Binarize
from automl.compression.clip import Clip
from automl.compression.factorize import Factorize
from automl.compression.prune import Prune
from automl.compression.quantization_grid import LIMITS
from automl.compression.quantize import Quantize
from automl.compression.remove_layers import RemoveLayers
from automl.data import dataset
from automl.data.dataset import Dataset
from automl.data.idx import MNIST, FashionMNIST
from automl.data.sklearn import Sklearn
from automl.export.claims import claims
from automl.measure.latency import latency_ms
from automl.models import family
from automl.models.convnet import ConvNet
from automl.models.family import ModelFamily, Network, count_parameters
from automl.models.imported import Imported
from automl.models.mlp import MLP
from automl.models.mobilenet import MobileNet
from automl.models.resnet import ResNet, ResNetStage
from automl.models.transformer import Transformer
from automl.recipe import Step
from automl.runtimes import onnx as runtime
from automl.search_spaces.my_model import net
from automl.space.space import TrialConfig
from automl.training.augmentation import Augmentation, Flip, Shift
from automl.training.distillation import Distill
from automl.training.loop import Train
from automl.training.losses import Loss
from automl.training.optimizers import AdamW, Nesterov
from automl.training.schedules import Cosine, Fixed, OneCycle, Warmup
from automl.trial.prefixes import MODEL_FILES

RESULTS = report_file.path("compression")
FEW_ROWS = 1000
SEEDS = range(5)

DIGITS = Sklearn("digits")
MODELS: dict[str, ModelFamily] = {
    "MLP": MLP((128, 64)),
    "ConvNet": ConvNet((32, 32, 64)),
    "ResNet": ResNet(),
    "MobileNet": MobileNet(),
    "Transformer": Transformer(),
    "Imported": Imported(net),
}


def fine_tune(loss: Loss | None = None) -> Train:
    return Train(label="fine_tune", epochs=10, loss=loss)


TECHNIQUES: dict[str, tuple[Step, ...]] = {
    "w8a8": (Quantize(8),),
    "w4a8": (Quantize(4),),
    "w2a8": (Quantize(2),),
    "w1a8": (Quantize(1),),
    "w2a8 throughout": (Quantize(2, ends_bits=2),),
    "w1a8 throughout": (Quantize(1, ends_bits=1),),
    "w8a4": (Quantize(8, activation_bits=4),),
    "w8a2": (Quantize(8, activation_bits=2),),
    "w8a1": (Quantize(8, activation_bits=1),),
    "w3a8 on average": (Quantize(average_bits=3.0),),
    "w4a8 codebook": (Quantize(4, codebook=True),),
    "w2a8 codebook": (Quantize(2, codebook=True),),
    "binarise": (Binarize(),),
    **{
        f"prune half by {score}": (Prune(0.5, score=score), fine_tune())
        for score in ("magnitude", "batch_norm", "taylor", "random")
    },
    "prune half, globally": (Prune(0.5, scope="global"), fine_tune()),
    "remove a layer": (RemoveLayers(), fine_tune()),
    "clip 80 %": (Clip(0.8), fine_tune()),
    "clip 2:4": (Clip(pattern="2:4"), fine_tune()),
    "low rank by pca, tucker": (Factorize(), fine_tune()),
    "low rank by svd, spatial": (Factorize("svd", "spatial"), fine_tune()),
    "prune, distil, w8a8": (Prune(0.5), fine_tune(Distill("train")), Quantize(8)),
    "low rank, w4a8 trained": (
        Factorize(),
        Quantize(4, training=Train(AdamW(weight_decay=0.0), Warmup(Cosine(1e-3)), epochs=5)),
    ),
    "remove a layer, w2a8": (RemoveLayers(), fine_tune(), Quantize(2)),
    "quantize, then prune": (Quantize(8), Prune(0.5)),
}
DROPS: dict[str, Step] = {
    "w8a8": Quantize(8),
    "w4a8": Quantize(4),
    "w2a8": Quantize(2),
    "w1a8": Quantize(1),
    "w2a8_throughout": Quantize(2, ends_bits=2),
    "w1a8_throughout": Quantize(1, ends_bits=1),
}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--digits", action="store_true")
    parser.add_argument("--mnist", type=str, default="")
    parser.add_argument("--fashion", type=str, default="")
    parser.add_argument("--older", type=str, default="")
    given = parser.parse_args()
    torch.set_num_threads(1)
    if given.digits:
        keep("digits", list(table()))
        keep("digits_drops", drops("ConvNet", DROPS))
        one_bit = {"w1a8": Quantize(1)}
        others = ("MobileNet", "Transformer")
        keep("digits_drops_of_others", {name: drops(name, one_bit) for name in others})
        keep("bytes_over_bound", {name: bytes_of_widths(name) for name in MODELS})
    if given.mnist:
        keep("mnist", list(large(mnist(given.mnist), MNIST_WIDTHS)))
    if given.fashion:
        keep("fashion_mnist", list(large(fashion(given.fashion), FASHION_WIDTHS)))
    if given.older:
        configs = [
            *(digits_of(model, TECHNIQUES[w]) for model in MODELS for w in MNIST_WIDTHS),
            *(
                [extended(mnist(given.mnist), s) for s in MNIST_WIDTHS.values()]
                if given.mnist
                else []
            ),
        ]
        keep("older_runtime", same_classes(given.older, configs))
    print(json.dumps(summary(report_file.parts(RESULTS)), indent=1))


def keep(part: str, found: Any) -> None:
    """Write a part into the results, and what they come to."""
    parts = report_file.parts(RESULTS) | {part: found}
    report_file.write(RESULTS, {"summary": summary(parts), **parts})


def summary(parts: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if "mnist" in parts:
        of = {row["technique"]: row for row in parts["mnist"]}
        found |= {
            "dataset": "MNIST",
            "parameters": of["fp32"]["parameters"],
            **{f"{name}_times_smaller": of[name]["times_smaller"] for name in MNIST_WIDTHS},
            "fp32_accuracy": of["fp32"]["accuracy"],
            "w1a8_accuracy_drop_points": of["w1a8"]["drop_points"],
            "w1a8_over_w8a8_latency": of["w1a8"]["over_w8a8_latency"],
        }
    if "fashion_mnist" in parts:
        of = {row["technique"]: row for row in parts["fashion_mnist"]}
        found |= {
            "fashion_mnist_parameters": of["fp32"]["parameters"],
            "fashion_mnist_fp32_accuracy": of["fp32"]["accuracy"],
            **{f"fashion_mnist_{n}_drop_points": of[n]["drop_points"] for n in FASHION_WIDTHS},
        }
    if "older_runtime" in parts:
        found |= {f"older_runtime_{name}": value for name, value in parts["older_runtime"].items()}
    drops = parts.get("digits_drops", {})
    found |= {f"digits_{name}_median_drop_points": drop for name, drop in drops.items()}
    for model, own in parts.get("digits_drops_of_others", {}).items():
        found |= {f"digits_{model}_{name}_median_drop_points": own[name] for name in own}
    if "bytes_over_bound" in parts:
        shares = [share for own in parts["bytes_over_bound"].values() for share in own.values()]
        found["worst_bytes_over_bound"] = max(shares)
    return found


def table() -> Iterator[dict[str, Any]]:
    for name in MODELS:
        whole = row(digits_of(name, ()), name, "fp32", None)
        yield whole
        for technique, steps in TECHNIQUES.items():
            yield row(digits_of(name, steps), name, technique, whole)


def digits_of(model: str, steps: tuple[Step, ...]) -> TrialConfig:
    return TrialConfig(DIGITS, MODELS[model], (Train(), *steps))


def drops(family: str, steps: dict[str, Step]) -> dict[str, float]:
    """The median over seeds of what a model loses against its own parent, in points."""
    model, found = MODELS[family], {}
    for name, step in steps.items():
        losses = []
        for seed in SEEDS:
            parent = accuracy(TrialConfig(DIGITS, model, (Train(),), seed))
            losses.append(parent - accuracy(TrialConfig(DIGITS, model, (Train(), step), seed)))
        found[name] = round(statistics.median(losses), 2)
        print(
            f"digits, five seeds, {family} {name}: {[round(loss, 2) for loss in losses]}",
            flush=True,
        )
    return found


def bytes_of_widths(model: str) -> dict[str, float]:
    """The bytes of a model's file over the bound that its bits say, every weight at each width;
    with an epoch of training, since files that guess may disagree with their models."""
    parent, found = file_of(digits_of(model, ())), {}
    for bits in LIMITS:
        config = digits_of(model, (Quantize(bits, ends_bits=bits, training=Train(epochs=1)),))
        file, own = file_of(config), network(trial(config).key)
        found[f"{bits:g}"] = round(bytes_over_bound(file, parent, own), 3)
    print("bytes over the bound", model, found, flush=True)
    return found


def long_training(epochs: int, augmentations: tuple[Augmentation, ...]) -> Train:
    return Train(
        Nesterov(weight_decay=5e-4),
        OneCycle(0.1),
        Fixed(128),
        epochs=epochs,
        augmentations=augmentations,
        channels_last=True,
    )


def aware(augmentations: tuple[Augmentation, ...], epochs: int = 4) -> Train:
    """Quantization-aware training, taught by the parent."""
    return Train(
        AdamW(weight_decay=0.0),
        Warmup(Cosine(1e-3)),
        Fixed(128),
        epochs=epochs,
        loss=Distill("train"),
        augmentations=augmentations,
        channels_last=True,
    )


def mnist(root: str) -> TrialConfig:
    stages = tuple(ResNetStage(width) for width in (12, 24, 48, 96))
    return TrialConfig(MNIST(root), ResNet(stages), (long_training(8, (Shift(1),)),))


def fashion(root: str) -> TrialConfig:
    stages = tuple(ResNetStage(width) for width in (18, 36, 72))
    recipe = (long_training(25, (Flip(), Shift(1))),)
    return TrialConfig(FashionMNIST(root), ResNet(stages), recipe)


MNIST_WIDTHS: dict[str, Step] = {
    "w8a8": Quantize(8),
    "w4a8": Quantize(4),
    "w2a8": Quantize(2, training=aware((Shift(1),))),
    "w1a8": Quantize(1, training=aware((Shift(1),))),
}
FASHION_WIDTHS: dict[str, Step] = {
    "w8a8": Quantize(8),
    "w4a8": Quantize(4, training=aware((Flip(), Shift(1)), epochs=2)),
    "w2a8": Quantize(2, training=aware((Flip(), Shift(1)))),
}


def large(parent: TrialConfig, widths: Mapping[str, Step]) -> Iterator[dict[str, Any]]:
    name = type(parent.model).__name__
    whole = row(parent, name, "fp32", None)
    yield whole
    int8 = extended(parent, widths["w8a8"])
    for technique, step in widths.items():
        config = extended(parent, step)
        found = row(config, name, technique, whole)
        pair = [file_of(config), file_of(int8)]
        yield {**found, "over_w8a8_latency": over(pair, config)}


def extended(parent: TrialConfig, step: Step) -> TrialConfig:
    return replace(parent, recipe=(*parent.recipe, step))


ANSWER = """
import sys, numpy, onnxruntime
folder, count = sys.argv[1], int(sys.argv[2])
for i in range(count):
    try:
        session = onnxruntime.InferenceSession(f"{folder}/{i}.onnx")
    except Exception as error:
        print(i, str(error).splitlines()[0], file=sys.stderr)
        continue
    rows = numpy.load(f"{folder}/{i}.npy")
    (answers,) = session.run(None, {session.get_inputs()[0].name: rows})
    numpy.save(f"{folder}/{i}.answers.npy", answers.argmax(1))
print(onnxruntime.__version__)
"""


def same_classes(older: str, configs: Sequence[TrialConfig]) -> dict[str, Any]:
    """How many files an older onnxruntime loads, and the least share of rows to which one of
    them gives the class that it gives here."""
    with tempfile.TemporaryDirectory() as folder:
        own = []
        for i, config in enumerate(configs):
            file, (rows, _) = file_of(config), held_out(config.dataset, config.seed)
            rows = rows[:FEW_ROWS].astype(np.float32)
            Path(folder, f"{i}.onnx").write_bytes(file)
            np.save(f"{folder}/{i}.npy", rows)
            own.append(runtime.run(runtime.session(file), rows).argmax(1))
        command = [sys.executable, "-c", ANSWER, folder, str(len(own))]
        environment = {**os.environ, "PYTHONPATH": older}
        answered = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE)
        paths = [Path(folder, f"{i}.answers.npy") for i in range(len(own))]
        shares = [
            float((np.load(path) == classes).mean())
            for path, classes in zip(paths, own, strict=True)
            if path.exists()
        ]
    return {
        "onnxruntime": answered.stdout.decode().split()[-1],
        "files": len(own),
        "loaded": len(shares),
        "least_share_of_same_classes": min(shares),
    }


@dataclass(frozen=True)
class Row:
    """One exported file. `parameters` counts its integer weights too."""

    model: str
    technique: str
    status: str
    parameters: int
    size_bytes: int
    times_smaller: float
    accuracy: float
    drop_points: float
    latency_over_fp32: float
    integer_convolutions: int


def row(
    config: TrialConfig, name: str, technique: str, parent: Mapping[str, Any] | None
) -> dict[str, Any]:
    result = trial(config)
    info = {"model": name, "technique": technique}
    if result.status != "complete":
        print(name, technique, result.reason, flush=True)
        return {**info, "status": f"{result.status}: {result.reason}"}
    file, measured = file_of(config), accuracy(config)
    fp32 = TrialConfig(config.dataset, config.model, config.recipe[:1], config.seed)
    model = network(result.key)
    claimed = claims(model)
    optimised = onnx.load_from_string(runtime.optimised(file)).graph
    found = Row(
        **info,
        status="complete",
        parameters=count_parameters(model) + sum(claimed.bits.values()),
        size_bytes=len(file),
        times_smaller=round(parent["size_bytes"] / len(file), 2) if parent else 1.0,
        accuracy=round(measured, 3),
        drop_points=round(parent["accuracy"] - measured, 2) if parent else 0.0,
        latency_over_fp32=over([file, file_of(fp32)], config),
        integer_convolutions=sum(node.op_type == "QLinearConv" for node in optimised.node),
    )
    print(found, flush=True)
    return asdict(found)


def network(key: str) -> Network:
    weights, spec = (STORE.read(key, name) for name in MODEL_FILES)
    assert weights is not None
    assert spec is not None
    return family.restore(weights, spec)


def accuracy(config: TrialConfig) -> float:
    inputs, targets = held_out(config.dataset, config.seed)
    return 100 * quality.Accuracy()(runtime.run(runtime.session(file_of(config)), inputs), targets)


def held_out(data: Dataset, seed: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """The test rows; where they are few, the validation rows too."""
    parts = [dataset.test_split(data, seed, CACHE)]
    if len(parts[0].targets) < FEW_ROWS:
        parts.append(dataset.load(data, seed, CACHE).validation)
    return (
        np.concatenate([part.inputs for part in parts]),
        np.concatenate([part.targets for part in parts]),
    )


def over(pair: Sequence[bytes], config: TrialConfig) -> float:
    """The latency of one file over that of another, measured in turn."""
    inputs, _ = held_out(config.dataset, config.seed)
    first, second = latency_ms([runtime.ONE_THREAD.load(file)(inputs[:1]) for file in pair])
    return round(first / second, 3)


if __name__ == "__main__":
    main()
