"""The costs of an exported file, layer by layer, under the names that layers have in training."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from automl.export.named_weights import weights_in_file
from automl.measure.layer_profile import Asked, layer_profile
from automl.models.family import Network
from automl.runtimes.onnx import ONE_THREAD

SECONDS = 0.3


@dataclass(frozen=True)
class LayerCost:
    """The share of a layer in the bytes of its file, and in the time of a call."""

    bytes_share: float
    time_share: float

    @property
    def in_words(self) -> tuple[str, str]:
        return f"{self.bytes_share:.1%}", f"{self.time_share:.1%}"


@dataclass(frozen=True)
class Costs:
    """The costs of a file for one row: of the whole, and of each tensor's layer by its name.

    `weights_in_file` names the value in the file that holds each tensor.
    """

    macs: int
    peak_activation_bytes: int
    layers: Mapping[str, LayerCost]
    weights_in_file: Mapping[str, str]

    def as_json(self) -> dict[str, object]:
        return asdict(self)

    @classmethod
    def from_json(cls, told: Mapping[str, object]) -> Costs:
        """Read what `as_json` made."""
        known = dict(told)
        layers = known.pop("layers")
        assert isinstance(layers, dict)
        costs = {name: LayerCost(**own) for name, own in layers.items()}
        return cls(**known, layers=costs)  # type: ignore[arg-type]


def costs(file: bytes, network: Network | None) -> Costs:
    """The costs of a file on one thread of this machine; without its network, of no layer."""
    names = {} if network is None else weights_in_file(file, network)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        path.write_bytes(file)
        by_value = {value: tensor for tensor, value in names.items()}
        profile = layer_profile(Asked(path, ONE_THREAD, layers=by_value, seconds=SECONDS))
    whole = profile.totals
    layers = {
        node.layer: LayerCost(node.num_bytes / whole.size_bytes, node.time_ms / whole.latency_ms)
        for node in profile.nodes
        if node.layer
    }
    return Costs(whole.macs, whole.peak_activation_bytes, layers, names)
