"""A model on its way out of a search: its files, and what each of its layers costs."""

from __future__ import annotations

from dataclasses import dataclass, field

from automl.engine.export_costs import Costs
from automl.export.taken import Made


@dataclass(frozen=True)
class Taken:
    """The ONNX file of a trial with its costs, and the same model in other formats.

    `notes` are sentences on what the file does that its figures do not show, and on how it was held
    against its network again.
    """

    file: bytes
    costs: Costs
    others: Made = field(default_factory=Made)
    notes: tuple[str, ...] = ()
