"""Short texts (English first names, in the package): is it a girl's or a boy's?

For texts of your own: automl search my.csv; or, to search them with this space,
--set dataset='{"type": "Text", "path": "my.csv", "length": 128}'
"""

from automl import (
    AdamW,
    ConvNet1d,
    Cosine,
    Fixed,
    Float,
    Int,
    Muon,
    OneOf,
    Prune,
    Quantize,
    Repeat,
    Space,
    Text,
    Train,
    Transformer,
    TransformerLayer,
    TrialConfig,
    Warmup,
)

rate = Warmup(Cosine(Float(1e-3, 1e-2, log=True)))

space = Space(
    TrialConfig(
        dataset=Text("first_names.csv", length=16),
        model=OneOf(
            ConvNet1d(channels=Repeat(Int(16, 64, step=8), Int(1, 2)), kernel_size=OneOf(3, 5)),
            Transformer(
                width=OneOf(16, 32),
                layers=Repeat(TransformerLayer(heads=Int(1, 4), hidden=Int(32, 64, step=8)), 2),
            ),
        ),
        recipe=(
            Train(OneOf(AdamW(), Muon()), rate, Fixed(128), epochs=10),
            OneOf(
                None,
                (Prune(Float(0.25, 0.75)), Train(label="fine_tune", learning_rate=rate, epochs=5)),
                label="shrink",
            ),
            OneOf(None, Quantize(bits=8)),
        ),
    ),
    objectives=("accuracy", "size_bytes", "latency_ms"),
)
