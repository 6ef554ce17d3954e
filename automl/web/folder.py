"""The folder of a model for browsers: its file, onnxruntime-web, and a page to try rows."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

PAGES = Path(__file__).parent / "pages"
PAGE_FILES = ("page.css", "page.js", "pad.js", "pixels.js")
"""What the page is made of wherever it is; `ask.js` beside them knows whom to ask."""
RUNTIME_FOLDER = "onnxruntime-web"


@dataclass(frozen=True)
class About:
    """A model as the page shows it: its name, what `rows.json` says of its rows, and what its file
    says of columns, each with its categories, of classes and of the number of outputs."""

    name: str
    rows: Mapping[str, object]
    columns: Mapping[str, Sequence[str]]
    classes: Sequence[str]
    num_outputs: int

    def as_json(self) -> dict[str, object]:
        # Columns are a list: the order of an object's keys is not sure in a browser.
        columns = [
            {"name": name, "categories": list(categories)}
            for name, categories in self.columns.items()
        ]
        return {
            "name": self.name,
            **self.rows,
            "columns": columns,
            "classes": list(self.classes),
            "num_outputs": self.num_outputs,
        }


def web_folder(file: bytes, about: About, runtime: Mapping[str, bytes]) -> dict[str, bytes]:
    """The files of the folder by their names, which any server of files can serve.

    `runtime` are the files of onnxruntime-web.
    """
    return {
        "index.html": (PAGES / "try.html").read_bytes(),
        **{name: (PAGES / name).read_bytes() for name in (*PAGE_FILES, "rows.js")},
        "ask.js": (PAGES / "ask_browser.js").read_bytes(),
        "model.json": json.dumps(about.as_json(), indent=1).encode(),
        "model.onnx": file,
        **{f"{RUNTIME_FOLDER}/{name}": content for name, content in runtime.items()},
    }
