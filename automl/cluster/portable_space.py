"""A search space as it goes to another process: as its file's text, which is loaded there."""

from __future__ import annotations

from dataclasses import dataclass

from automl.space import space_file
from automl.space.space import Space


@dataclass(frozen=True)
class PortableSpace:
    """The text of a space file, what `--set` has fixed, and where the search was started."""

    text: str
    fixed: dict[str, str]
    folder: str

    def load(self) -> Space:
        """Run the text (once per process), and so register what it defines. Raises UserError."""
        return space_file.load(self.text, self.fixed, folder=self.folder)
