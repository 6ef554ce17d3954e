"""The home: the folder on disk where a user's searches live."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Self
from urllib.parse import unquote

from automl.errors import UserError

STORE_FILE = "store.url"


@dataclass(frozen=True)
class Home:
    """A folder with every search, the store that they share, and MLflow's local data."""

    path: Path

    @property
    def store(self) -> str:
        """The URL of the store: a folder of the home unless `use_store` has named another."""
        named = self.path / STORE_FILE
        return named.read_text() if named.exists() else str(self.path / "store")

    @property
    def shares_store(self) -> bool:
        """True where the store is not the home's own folder: other homes may use it, too."""
        return (self.path / STORE_FILE).exists()

    def may_use_store(self, url: str) -> str:
        """The URL, absolute. Raises UserError when searches of the home have another store.

        All searches share a store: what a front needs is looked for there alone.
        """
        if "://" not in url:
            url = str(Path(url).absolute())
        if url != self.store and self.studies():
            raise UserError(
                f"--store {url}: the home {self.path} keeps its models in {self.store}; "
                "choose another --home, or leave --store out"
            )
        return url

    def use_store(self, url: str) -> None:
        """Keep what trials make under this URL from now on."""
        if url != self.store:
            (self.path / STORE_FILE).write_text(url)

    @property
    def store_limit_bytes(self) -> int:
        """The most that the store may hold: `$AUTOML_STORE_GB`, 10 unless given.

        Raises UserError when that is no number.
        """
        text = os.environ.get("AUTOML_STORE_GB", "10")
        try:
            return int(float(text) * 1e9)
        except (ValueError, OverflowError):
            raise UserError(f"$AUTOML_STORE_GB is {text!r}; give a number, e.g. 10") from None

    @property
    def mlflow_database(self) -> Path:
        return self.path / "mlflow.db"

    @property
    def mlflow_uri(self) -> str:
        return f"sqlite:///{self.mlflow_database}"

    @property
    def mlflow_artifacts(self) -> Path:
        return self.path / "mlartifacts"

    @property
    def cache(self) -> Path:
        """Datasets as memory-mapped files; a node without this folder makes it."""
        return self.path / "cache"

    @property
    def ray(self) -> Path:
        return self.path / "ray"

    @classmethod
    def of(cls, study: Path) -> Self:
        """The home in which the folder of a search lies."""
        return cls(study.parents[1])

    def study(self, name: str) -> Path:
        return self.path / "studies" / name

    def studies(self) -> list[str]:
        folders = (self.path / "studies").glob("[!.]*/space.py")
        return sorted(file.parent.name for file in folders)


def home_at(path: Path | None) -> Home:
    """The home given, else `$AUTOML_HOME`, else ./automl-home."""
    return Home((path or Path(os.environ.get("AUTOML_HOME", "automl-home"))).absolute())


def make_writable(home: Home) -> None:
    """Create the home.

    Raises UserError when it cannot be written, when its limit is no number, and when its path
    holds what the address of MLflow's database cannot: a question mark, or an escape as %20.
    """
    _ = home.store_limit_bytes
    path = str(home.path)
    if "?" in path or unquote(path) != path:
        raise UserError(
            f"the home {path} has a question mark or an escape such as %20 in its path, which the "
            "address of MLflow's database cannot have; choose another with --home or $AUTOML_HOME"
        )
    probe = home.path / f".probe-{os.getpid()}"
    try:
        home.path.mkdir(parents=True, exist_ok=True)
        probe.write_text("")
        probe.unlink()
    except OSError as error:
        raise UserError(
            f"cannot write to the home {home.path} ({error.strerror}); "
            "choose another with --home or $AUTOML_HOME"
        ) from None


def check_name(name: str) -> str:
    """The name of a search, fit for a folder. Raises UserError when it is not."""
    if not re.fullmatch(r"[A-Za-z0-9][\w.-]{0,99}", name):
        raise UserError(
            f"{name!r} cannot name a search; use letters, digits, '-', '_' and '.', at most 100"
        )
    return name
