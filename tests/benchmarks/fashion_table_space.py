"""The space of the joint table of Fashion-MNIST: that of digits with fewer architectures, trainings
and epochs, on few rows."""

from dataclasses import dataclass, replace

import numpy as np

from automl import (
    MLP,
    AdamW,
    ConvNet,
    Cosine,
    FashionMNIST,
    Fixed,
    Int,
    Nesterov,
    OneOf,
    Prune,
    Quantize,
    RawDataset,
    Repeat,
    Space,
    Train,
    TrialConfig,
    Warmup,
)


@dataclass(frozen=True)
class FewRows(FashionMNIST):
    """2,500 rows to learn from, 5,000 others to judge by; 14 x 14 pixels, each the mean of four."""

    def load(self) -> RawDataset:
        whole = super().load()
        kept = np.r_[:2_500, 55_000 : len(whole.targets)]
        pixels = whole.inputs[kept].reshape(-1, 14, 2, 14, 2)
        return replace(
            whole,
            inputs=pixels.mean((2, 4)).round().astype(np.uint8),
            targets=whole.targets[kept],
            input_shape=(1, 14, 14),
            num_validation=5_000,
            row_name=lambda row: whole.row_name(int(kept[row])),
        )


train = Train(
    optimizer=OneOf(AdamW(), Nesterov()),
    learning_rate=Warmup(Cosine(peak=OneOf(0.005, 0.025))),
    batch_size=Fixed(32),
    epochs=10,
)
fine_tune = Train(label="fine_tune", learning_rate=Warmup(Cosine(0.005)), epochs=5)

space = Space(
    TrialConfig(
        dataset=FewRows("fashion-mnist"),
        model=OneOf(
            MLP(widths=Repeat(Int(32, 96, step=64), Int(1, 2))),
            ConvNet(channels=Repeat(Int(8, 24, step=16), 2)),
        ),
        recipe=(
            train,
            OneOf(None, (Prune(fraction=OneOf(0.5, 0.75), multiple=4), fine_tune), label="shrink"),
            OneOf(None, Quantize(bits=OneOf(8, 4, 2))),
        ),
    ),
    objectives=("accuracy", "size_bytes", "latency_ms"),
)
