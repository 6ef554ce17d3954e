"""The joint tables, read: every trial of a small space, looked up instead of run.

Each row of a table in `results`, of digits or of Fashion-MNIST, is a trial as it really ran
(`table.py` makes them), found by the flat parameters that sampling the space gives. In the file,
rows name by their number the stages that they went through, which trials that begin alike share,
and their parent's row.
"""

from __future__ import annotations

import json
import lzma
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from automl.config import decode
from automl.data.dataset import DatasetInfo
from automl.space import space_file
from automl.space.domains import Domain, IntDomain, OneOfDomain
from automl.space.sampling import sample
from automl.space.space import Space

HERE = Path(__file__).parent
NAMES = ("digits", "fashion")
Params: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True)
class Stage:
    """A step of a recipe: after each epoch that it reported the accuracy on the validation rows,
    the mean training loss and the CPU seconds of the epoch; `rest_seconds` is its other work,
    `macs` are those of one row through the network that it left."""

    label: str
    accuracy: tuple[float, ...]
    loss: tuple[float, ...]
    seconds: tuple[float, ...]
    rest_seconds: float
    macs: int

    @property
    def total_seconds(self) -> float:
        return sum(self.seconds) + self.rest_seconds


@dataclass(frozen=True)
class Row:
    """A trial: its stages in order, and what its exported file was measured to be.

    `status` is complete or rejected; with `reason`, and without the file's figures, the latter.
    `export_seconds` are of writing and checking the file, in CPU seconds. `parent` is the same
    model uncompressed.
    """

    params: dict[str, Any]
    stages: tuple[Stage, ...]
    status: str
    reason: str
    accuracy: float | None
    size_bytes: int | None
    latency_ms: float | None
    sha256: str | None
    export_seconds: float
    measure_seconds: float
    parent: Row | None = field(repr=False)


@dataclass(frozen=True)
class Table:
    """All rows, their space, and what is known of the data; in `info` the machine, versions, date,
    numbers of rows of data, and the accuracy of the best constant answer."""

    space: Space
    data: DatasetInfo
    info: dict[str, Any]
    rows: tuple[Row, ...]
    by_key: dict[str, Row]

    def lookup(self, params: Params) -> Row:
        """The row of a trial. Raises KeyError on parameters outside the space."""
        return self.by_key[key(params)]


def file_of(name: str) -> Path:
    """The file that holds a table."""
    return HERE / "results" / f"{name}_table.json.xz"


def space_file_of(name: str) -> Path:
    """The space of which a table holds every trial."""
    return HERE / f"{name}_table_space.py"


def load(name: str) -> Table:
    data = json.loads(lzma.decompress(file_of(name).read_bytes()))
    stages = [Stage(**{n: _frozen(v) for n, v in stage.items()}) for stage in data["stages"]]
    rows: list[Row] = []
    for row in data["rows"]:
        found = {
            "stages": tuple(stages[i] for i in row["stages"]),
            "parent": None if row["parent"] is None else rows[row["parent"]],
        }
        rows.append(Row(**{**row, **found}))
    by_key = {key(row.params): row for row in rows}
    about = data["about"]
    space, info = space_file.load(data["space"]), decode(about.pop("data"))
    return Table(space, info, about, tuple(rows), by_key)


def key(params: Params) -> str:
    """One text for equal parameters, in whatever order."""
    return json.dumps(params, sort_keys=True)


def combinations(space: Space) -> Iterator[dict[str, Any]]:
    """The flat parameters of every trial in a space of discrete domains, the last varied first."""
    waiting: list[dict[str, Any]] = [{}]
    while waiting:
        given = waiting.pop()
        params: dict[str, Any] = {}

        def suggest(path: str, domain: Domain) -> Any:
            if path not in given:  # noqa: B023
                first, *others = values(domain)
                waiting.extend({**params, path: other} for other in reversed(others))  # noqa: B023
                params[path] = first  # noqa: B023
            else:
                params[path] = given[path]  # noqa: B023
            return params[path]  # noqa: B023

        sample(space, suggest)
        yield params


def values(domain: Domain) -> list[Any]:
    """All that a discrete domain may be."""
    match domain:
        case IntDomain(low, high, step):
            return [*range(low, high + 1, step)]
        case OneOfDomain():
            return [*domain.names()]
    raise AssertionError(f"{domain} is not discrete")


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
