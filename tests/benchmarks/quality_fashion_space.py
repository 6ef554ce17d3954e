"""The space of `quality.py` for Fashion-MNIST: residual networks for files of at most 60,000 bytes.

One larger network, trained once for all of them, teaches them before and after their weights are
put into few bits. At full resolution there is but the first convolution: blocks there would take
most of a training's time, and few of the bytes. A garment is as good in the mirror, so that
every network answers by the mean over both in the end.
"""

from automl import (
    AdamW,
    AverageFlips,
    Cosine,
    CrossEntropy,
    Distill,
    FashionMNIST,
    Fixed,
    Flip,
    Float,
    Int,
    Nesterov,
    OneCycle,
    OneOf,
    Quantize,
    RandomErasing,
    ResNet,
    ResNetStage,
    Shift,
    Sibling,
    Space,
    Train,
    TrialConfig,
    Warmup,
)

views = (Flip(), Shift(2), RandomErasing(0.3))
teacher = Sibling(
    (
        Train(
            optimizer=Nesterov(weight_decay=5e-4),
            learning_rate=OneCycle(0.15),
            batch_size=Fixed(128),
            epochs=20,
            loss=CrossEntropy(label_smoothing=0.1),
            augmentations=views,
            precision="bf16",
            channels_last=True,
        ),
    ),
    model=ResNet(stages=(ResNetStage(16, 0), ResNetStage(32, 2), ResNetStage(96, 2))),
)
train = Train(
    optimizer=Nesterov(weight_decay=OneOf(5e-4, 1e-4)),
    learning_rate=OneCycle(Float(0.1, 0.3, log=True)),
    batch_size=Fixed(128),
    epochs=Int(24, 40, step=8),
    loss=Distill(teacher, weight=OneOf(0.5, 0.9)),
    augmentations=(Flip(), Shift(2), OneOf(None, RandomErasing(0.3))),
    precision="bf16",
    channels_last=True,
)
aware = Train(
    optimizer=AdamW(weight_decay=0.0),
    learning_rate=Warmup(Cosine(Float(2e-3, 1e-2, log=True))),
    batch_size=Fixed(128),
    epochs=Int(12, 20, step=4),
    loss=Distill(teacher, weight=OneOf(0.5, 0.9)),
    augmentations=(Flip(), Shift(1)),
    precision="bf16",
    channels_last=True,
)

space = Space(
    TrialConfig(
        dataset=FashionMNIST("fashion-mnist"),
        model=ResNet(
            stages=(
                ResNetStage(Int(12, 16, step=4), 0),
                ResNetStage(Int(16, 32, step=8), Int(1, 2)),
                ResNetStage(Int(40, 80, step=8), Int(1, 2)),
            )
        ),
        recipe=(train, Quantize(bits=OneOf(3, 2, 1.58), training=aware), AverageFlips()),
    ),
    objectives=("accuracy", "size_bytes"),
    constraints=("size_bytes<=60000",),
)
