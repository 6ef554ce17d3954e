"""The Fashion-MNIST subset of `peers.py`: a trial takes 10 to 20 s on one core.

The model of most parameters is the slowest, too: the hypervolume's latencies start from it.
"""

from automl.compression.factorize import Factorize
from automl.compression.prune import Prune
from automl.compression.quantize import Quantize
from automl.data.npz import Npz
from automl.models.convnet import ConvNet
from automl.models.resnet import ResNet, ResNetStage
from automl.space.domains import Float, Int, OneOf, Repeat
from automl.space.space import Space, TrialConfig
from automl.training.augmentation import Flip
from automl.training.distillation import Distill
from automl.training.loop import Train
from automl.training.losses import CrossEntropy
from automl.training.optimizers import AdamW, Nesterov
from automl.training.schedules import Cosine, Fixed, OneCycle, Staircase, Warmup

train = Train(
    optimizer=OneOf(Nesterov(weight_decay=5e-4), AdamW(weight_decay=0.05)),
    learning_rate=OneCycle(Float(5e-3, 0.2, log=True)),
    batch_size=OneOf(Fixed(128), Staircase(initial=64, factor=2, stairs=3)),
    epochs=5,
    augmentations=(OneOf(None, Flip()),),
    channels_last=True,
)
fine_tune = Train(
    label="fine_tune",
    learning_rate=Warmup(Cosine(Float(1e-3, 1e-2, log=True))),
    batch_size=Fixed(128),
    epochs=2,
    loss=OneOf(CrossEntropy(), Distill(teacher="train")),
    channels_last=True,
)

space = Space(
    TrialConfig(
        dataset=Npz("fashion_10k.npz"),
        model=OneOf(
            ConvNet(channels=Repeat(Int(8, 24, step=8), Int(2, 3))),
            ResNet(stages=Repeat(ResNetStage(Int(8, 16, step=4), Int(1, 2)), 2)),
        ),
        recipe=(
            train,
            OneOf(
                None,
                (Prune(Float(0.25, 0.75)), fine_tune),
                (Factorize(energy=Float(0.8, 0.99)), fine_tune),
                label="shrink",
            ),
            OneOf(None, Quantize(bits=OneOf(8, 4, 2))),
        ),
    ),
    objectives=("accuracy", "size_bytes", "latency_ms"),
)
