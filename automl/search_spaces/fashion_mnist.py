"""Fashion-MNIST from local files: convolutional families and a Transformer, trained and cut.

Put the four IDX files, gzipped or not, into ./fashion-mnist, or say where they are:
--set dataset.root=FOLDER
"""

from automl import (
    AdamW,
    ConvNet,
    Cosine,
    CrossEntropy,
    Distill,
    Factorize,
    FashionMNIST,
    Fixed,
    Flip,
    Float,
    Int,
    MobileNet,
    MobileNetStage,
    Nesterov,
    OneCycle,
    OneOf,
    Prune,
    Quantize,
    RandomErasing,
    Repeat,
    ResNet,
    ResNetStage,
    Shift,
    Space,
    Staircase,
    Train,
    Transformer,
    TransformerLayer,
    TrialConfig,
    Warmup,
)

train = Train(
    optimizer=OneOf(Nesterov(weight_decay=5e-4), AdamW(weight_decay=0.05)),
    learning_rate=OneCycle(Float(5e-3, 0.2, log=True)),
    batch_size=OneOf(Fixed(128), Staircase(initial=64, factor=2, stairs=3)),
    epochs=15,
    augmentations=(Flip(), Shift(OneOf(1, 2)), OneOf(None, RandomErasing(0.3))),
    channels_last=True,
)
fine_tune = Train(
    label="fine_tune",
    learning_rate=Warmup(Cosine(Float(1e-3, 1e-2, log=True))),
    batch_size=Fixed(128),
    epochs=5,
    loss=OneOf(CrossEntropy(), Distill(teacher="train")),
    channels_last=True,
)

space = Space(
    TrialConfig(
        dataset=FashionMNIST("fashion-mnist"),
        model=OneOf(
            ConvNet(channels=Repeat(Int(8, 64, step=8), Int(2, 4))),
            ResNet(stages=Repeat(ResNetStage(Int(16, 64, step=8), Int(1, 2)), Int(2, 3))),
            MobileNet(stages=Repeat(MobileNetStage(Int(16, 48, step=8), Int(1, 2)), 3)),
            Transformer(
                layers=Repeat(TransformerLayer(heads=Int(2, 4), hidden=Int(64, 128, step=16)), 3),
                width=OneOf(32, 64),
                patch=OneOf(4, 7),
            ),
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
