"""Artifacts by key, on any fsspec filesystem: what trials share instead of doing it again."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

import fsspec


class Store:
    """Folders of small files under one root, each named by the hash of what made it.

    A file appears whole or not at all. Two writers of one key write the same bytes, so
    the last one wins without harm; a reader who finds nothing does the work itself.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.fs: Any
        self.fs, root = fsspec.core.url_to_fs(url)
        self.root = root.rstrip("/")

    def read(self, key: str, name: str) -> bytes | None:
        try:
            data: bytes = self.fs.cat_file(f"{self.root}/{key}/{name}")
        except FileNotFoundError:
            return None
        return data

    def has(self, key: str, name: str) -> bool:
        return bool(self.fs.exists(f"{self.root}/{key}/{name}"))

    def write(self, key: str, files: Mapping[str, bytes]) -> None:
        """Write files in the order given: let the one that readers look for come last."""
        self.fs.makedirs(f"{self.root}/{key}", exist_ok=True)
        for name, data in files.items():
            with self.fs.open(f"{self.root}/{key}/{name}", "wb", autocommit=False) as file:
                file.write(data)
            file.commit()

    def use(self, key: str) -> None:
        """Note that a key was used, for `trim`."""
        self.write(key, {"used": b""})

    def starting_with(self, prefix: str) -> list[str]:
        """The keys that begin so."""
        found = self.fs.glob(f"{self.root}/{prefix}*")
        return [path.rstrip("/").rsplit("/", 1)[-1] for path in found]

    def drop(self, key: str) -> None:
        if self.fs.exists(f"{self.root}/{key}"):
            self.fs.rm(f"{self.root}/{key}", recursive=True)

    def trim(self, limit_bytes: int, needed: Callable[[], Collection[str]]) -> list[str]:
        """Drop the least recently used keys until the rest fits, never those `needed`.

        `needed()` is asked only when there is too much.
        """
        folders = self.fs.ls(self.root, detail=False) if self.fs.exists(self.root) else []
        entries = []
        for folder in folders:
            files = self.fs.find(folder, detail=True).values()
            used = max((self.fs.modified(f["name"]) for f in files), default=None)
            if used is not None:
                entries.append((used, folder, sum(f["size"] for f in files)))
        total = sum(size for _, _, size in entries)
        if total <= limit_bytes:
            return []
        keep, dropped = needed(), []
        for _, folder, size in sorted(entries):
            key = folder.rsplit("/", 1)[-1]
            if total > limit_bytes and key not in keep:
                self.drop(key)
                dropped.append(key)
                total -= size
        return dropped
