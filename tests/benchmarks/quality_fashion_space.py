"""The space of `quality.py` for Fashion-MNIST: residual networks for files of at most 60,000 bytes.

Quantization-aware training is taught by the network before it.
"""

from automl import (
    AdamW,
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
    Prune,
    Quantize,
    RandomErasing,
    ResNet,
    ResNetStage,
    Shift,
    Space,
    Train,
    TrialConfig,
    Warmup,
)

seen = (Flip(), Shift(1))
train = Train(
    optimizer=Nesterov(weight_decay=5e-4),
    learning_rate=OneCycle(Float(0.05, 0.2, log=True)),
    batch_size=Fixed(128),
    epochs=20,
    loss=CrossEntropy(label_smoothing=OneOf(0.0, 0.1)),
    augmentations=(*seen, OneOf(None, RandomErasing(0.3))),
    precision="bf16",
    channels_last=True,
)
fine_tune = Train(
    label="fine_tune",
    optimizer=Nesterov(weight_decay=5e-4),
    learning_rate=Warmup(Cosine(Float(0.01, 0.1, log=True))),
    batch_size=Fixed(128),
    epochs=8,
    loss=OneOf(CrossEntropy(), Distill("train")),
    augmentations=seen,
    precision="bf16",
    channels_last=True,
)
aware = Train(
    optimizer=AdamW(weight_decay=0.0),
    learning_rate=Warmup(Cosine(Float(1e-3, 1e-2, log=True))),
    batch_size=Fixed(128),
    epochs=5,
    loss=Distill("train"),
    augmentations=seen,
    channels_last=True,
)

space = Space(
    TrialConfig(
        dataset=FashionMNIST("fashion-mnist"),
        model=ResNet(
            stages=(
                ResNetStage(Int(8, 16, step=4), Int(0, 2)),
                ResNetStage(Int(16, 40, step=8), Int(1, 2)),
                ResNetStage(Int(32, 80, step=16), Int(1, 2)),
            )
        ),
        recipe=(
            train,
            OneOf(None, (Prune(Float(0.1, 0.5)), fine_tune), label="shrink"),
            Quantize(bits=OneOf(4, 3, 2, 1.58), training=aware),
        ),
    ),
    objectives=("accuracy", "size_bytes"),
    constraints=("size_bytes<=60000",),
)
