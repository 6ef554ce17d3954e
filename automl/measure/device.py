"""Another machine, or another Python, that takes the times of a search's files."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from automl.errors import UserError
from automl.measure.file_times import Wanted
from automl.measure.latency import Estimate, Reference, Timing
from automl.measure.machine import kind_of
from automl.measure.timed_elsewhere import Place, Unreachable, timed_elsewhere, timing_elsewhere
from automl.retry import patient
from automl.runtimes.onnx import OnnxRuntime
from automl.space.runtime import Runtime


@dataclass(frozen=True)
class Device:
    """A place where files are timed, and the kind of machine that it is."""

    place: Place
    kind: str


def device(place: Place, runtimes: Iterable[Runtime]) -> Device:
    """The device of a place, which has all these runtimes.

    Raises UserError where it cannot be reached, or lacks one.
    """
    kind = ""
    for runtime in runtimes:
        if not isinstance(runtime, OnnxRuntime):
            raise UserError(
                f"{runtime.name} is measured on the machines of the search alone; leave out "
                "--measure-over and --measure-python, or that runtime"
            )
        kind = kind_of(timed_elsewhere(place, Wanted((), runtime)).machine)
    return Device(place, kind)


class DeviceTimer:
    """Times files on a device. One that is away is waited for, up to two minutes; from then on it
    is asked once for each file, until it is back."""

    def __init__(self, device: Device) -> None:
        self.place, self.is_away = device.place, False

    def __call__(
        self,
        file: bytes,
        row: NDArray[np.generic],
        reference: Reference,
        latency: Estimate | None = None,
    ) -> Timing:
        """The times of a file there. Raises UserError."""
        ask = timing_elsewhere if self.is_away else _patiently
        try:
            timing = ask(self.place, file, row, reference, latency)
        except Unreachable:
            self.is_away = True
            raise
        self.is_away = False
        return timing


_patiently = patient(lambda error: isinstance(error, Unreachable))(timing_elsewhere)
