"""The space of `quality.py` for MNIST: residual networks for files of at most 20,000 bytes."""

from automl import (
    MNIST,
    AdamW,
    Affine,
    Cosine,
    Distill,
    Fixed,
    Float,
    Int,
    Nesterov,
    OneCycle,
    OneOf,
    Quantize,
    ResNet,
    ResNetStage,
    Shift,
    Space,
    Train,
    TrialConfig,
    Warmup,
)

seen = (OneOf(None, Affine()), Shift(1))
train = Train(
    optimizer=Nesterov(weight_decay=5e-4),
    learning_rate=OneCycle(Float(0.05, 0.3, log=True)),
    batch_size=Fixed(128),
    epochs=12,
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
    augmentations=(Shift(1),),
    channels_last=True,
)

space = Space(
    TrialConfig(
        dataset=MNIST("mnist"),
        model=ResNet(
            stages=(
                ResNetStage(Int(4, 12, step=4), Int(0, 1)),
                ResNetStage(Int(8, 32, step=4), 1),
                ResNetStage(Int(16, 48, step=8), 1),
            )
        ),
        recipe=(
            train,
            Quantize(bits=OneOf(4, 3, 2, 1.58, 1), ends_bits=OneOf(8, 4), training=aware),
        ),
    ),
    objectives=("accuracy", "size_bytes"),
    constraints=("size_bytes<=20000",),
)
