"""Execution providers of onnxruntime: found by name, set up, and the nodes that each of them runs.

https://onnxruntime.ai/docs/execution-providers
"""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from automl.errors import UserError, unknown

if TYPE_CHECKING:
    import onnxruntime

ENDING = "ExecutionProvider"
CPU = "CPU"
Providers: TypeAlias = list[str | tuple[str, dict[str, str]]]
PACKAGES = {
    "CUDA": "onnxruntime-gpu",
    "Dml": "onnxruntime-directml",
    "OpenVINO": "onnxruntime-openvino",
    "Tensorrt": "onnxruntime-gpu",
}
"""Packages that bring a provider; each takes the place of `onnxruntime`."""


def is_available(provider: str) -> bool:
    """Tell if the installed onnxruntime has a provider, named without its ending."""
    import onnxruntime

    return provider + ENDING in onnxruntime.get_available_providers()


def spelled(name: str) -> str:
    """A provider's name as onnxruntime spells it, without its ending, be it here or not.

    Raises UserError when there is none of this name.
    """
    import onnxruntime

    known: dict[str, str] = {
        own.removesuffix(ENDING).lower(): own for own in onnxruntime.get_all_providers()
    }
    own = known.get(name.lower().removesuffix(ENDING.lower()))
    if own is None:
        names = [provider.removesuffix(ENDING) for provider in known.values()]
        raise UserError(unknown("provider", name, names))
    return own.removesuffix(ENDING)


def provider_named(name: str) -> str:
    """A provider's name as onnxruntime spells it, without its ending.

    Raises UserError when there is none of this name, or the installed onnxruntime lacks it.
    """
    import onnxruntime

    provider = spelled(name)
    if not is_available(provider):
        here = [p.removesuffix(ENDING) for p in onnxruntime.get_available_providers()]
        package = PACKAGES.get(provider)
        install = f"install {package} in place of onnxruntime, or name a Python that has it"
        remedy = install if package else "choose another"
        raise UserError(
            f"onnxruntime {onnxruntime.__version__} here has no provider {provider}, but "
            f"{', '.join(here)}; {remedy}"
        )
    return provider


def set_up(provider: str, threads: int) -> Providers:
    """A provider, and behind it the processor for what it cannot run.

    A GPU computes in whole fp32 as the processor does.
    """
    options = {
        "CUDA": {"use_tf32": "0"},
        "OpenVINO": {"device_type": "CPU", "num_of_threads": str(threads)},
        "Xnnpack": {"intra_op_num_threads": str(threads)},
    }
    others: Providers = [(provider + ENDING, options.get(provider, {}))] if provider != CPU else []
    return [*others, CPU + ENDING]


def placed(
    file: bytes | Path,
    options: onnxruntime.SessionOptions,
    providers: Providers,
    feed: dict[str, NDArray[np.generic]],
) -> dict[str, int]:
    """The number of nodes that each provider runs of a file: what a provider cannot run, and all
    where it does not start, onnxruntime gives to the processor without a word."""
    import onnxruntime

    with tempfile.TemporaryDirectory() as folder:
        options.enable_profiling, options.profile_file_prefix = True, f"{folder}/run"
        model = file if isinstance(file, bytes) else str(file)
        loaded = onnxruntime.InferenceSession(model, options, providers=providers)
        loaded.run(None, feed)
        events = json.loads(Path(loaded.end_profiling()).read_text())
    nodes = [event["args"] for event in events if event["cat"] == "Node"]
    ran = [node["provider"].removesuffix(ENDING) for node in nodes if "provider" in node]
    return dict(Counter(ran))


def left_to_others(provider: str, nodes: dict[str, int]) -> str:
    """A sentence on the nodes of a file, counted by provider, that are not this one's, or ""."""
    others = {name: count for name, count in nodes.items() if name != provider}
    if not others:
        return ""
    elsewhere = ", ".join(f"{count} by {name}" for name, count in others.items())
    count = nodes.get(provider, 0)
    return f"{provider} runs {count or 'none'} of its {sum(nodes.values())} nodes; {elsewhere}"
