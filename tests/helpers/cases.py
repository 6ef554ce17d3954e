"""Files as people have them, written and read in tests."""

import math
from pathlib import Path

from automl.data import dataset
from automl.errors import UserError

CASES = Path(__file__).parents[1] / "data" / "cases"


def write(path, content):
    """A file of this text or these bytes; its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return str(path)


def case(name):
    """The path of a file that was handed over."""
    return str(CASES / name)


def said(config, folder):
    """All that is told of a dataset, or the sentence that refuses it."""
    try:
        return dataset.summary(config, 0, folder / "cache").text()
    except UserError as error:
        return str(error)


def rows(config):
    """The rows of a table as a person reads them: by column, None where a value is missing."""
    raw = config.load()
    found = {}
    for number, column in enumerate(raw.columns):
        values = raw.inputs[:, number].tolist()
        found[column.name] = [
            None if math.isnan(v) else column.categories[int(v)] if column.categories else v
            for v in values
        ]
    names = raw.classes
    found["target"] = [names[t] if names else float(t[0]) for t in raw.targets]
    return found


def numbered(count=60, header="x,y", row=lambda i: f"{i / 2},{['no', 'yes'][i % 2]}"):
    """The text of a table with so many rows."""
    return "\n".join([header, *map(row, range(count))]) + "\n"
