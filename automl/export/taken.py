"""A model that is taken away, and what a format makes of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from automl.data.dataset import Data
from automl.models.family import Network


@dataclass(frozen=True)
class Chosen:
    """A model that was chosen: its ONNX `file`, its trained and compressed `network`, and the rows
    that its trial saw.

    `rows` is the text of `rows.json`, which tells how rows look; one that `has_tokenizer` is made
    of ids. `name` is that of the search and the trial, for people. `browser_runtime` gives the
    files of onnxruntime-web.
    """

    name: str
    file: bytes
    network: Network
    data: Data
    rows: str
    has_tokenizer: bool
    browser_runtime: Callable[[], Mapping[str, bytes]]


@dataclass(frozen=True)
class Made:
    """The `files` that a format adds to an export's folder, by their paths in it.

    `card` is a part of the export's README, in Markdown: what the files take and give, and lines
    that run them. `notes` are sentences that a user should read, without their full stop. A file
    that `has_integers` rounds sums otherwise than torch does.
    """

    files: Mapping[str, bytes] = field(default_factory=dict)
    card: str = ""
    notes: tuple[str, ...] = ()
    has_integers: bool = False

    def with_more(self, other: Made) -> Made:
        """Both together."""
        card = "\n\n".join(part.strip() for part in (self.card, other.card) if part)
        return Made({**self.files, **other.files}, card, (*self.notes, *other.notes))


def example_line(data: Data, array: str = "torch") -> str:
    """Python that makes a row of zeros, (1, ...), with torch or numpy."""
    shape = (1, *data.train.inputs.shape[1:])
    kind = "int64" if data.info.num_tokens else "float32"
    return f"{array}.zeros({shape}, dtype={array}.{kind})"
