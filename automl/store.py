"""Artifacts by key, on any fsspec filesystem: what trials share instead of doing it again."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Callable, Collection, Mapping
from datetime import datetime
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
        for name, data in files.items():
            try:
                self._write(key, name, data)
            except FileNotFoundError:
                # Someone dropped the key at this moment; the folder is made anew.
                self._write(key, name, data)

    def _write(self, key: str, name: str, data: bytes) -> None:
        """Through a file beside it: a rename within a folder is whole or not at all."""
        folder = f"{self.root}/{key}"
        new = f"{folder}/.{uuid.uuid4().hex}"
        self.fs.makedirs(folder, exist_ok=True)
        self.fs.pipe_file(new, data)
        self.fs.mv(new, f"{folder}/{name}")

    def use(self, key: str) -> None:
        """Note that a key was used, for `trim`."""
        self.write(key, {"used": b""})

    def starting_with(self, prefix: str) -> list[str]:
        """The keys that begin so."""
        found = self.fs.glob(f"{self.root}/{prefix}*")
        return [path.rstrip("/").rsplit("/", 1)[-1] for path in found]

    def names(self, key: str) -> list[str]:
        """The whole files of a key."""
        found = (path.rsplit("/", 1)[-1] for path in self.fs.glob(f"{self.root}/{key}/*"))
        return [name for name in found if not name.startswith(".")]

    def drop(self, key: str) -> None:
        with contextlib.suppress(FileNotFoundError):
            self.fs.rm(f"{self.root}/{key}", recursive=True)

    def trim(self, limit_bytes: int, needed: Callable[[], Collection[str]]) -> list[str]:
        """Drop the least recently used keys until the rest fits, never those `needed`.

        `needed()` is asked only when there is too much; a checkpoint goes with its key.
        """
        entries = []
        for folder in self.fs.ls(self.root, detail=False) if self.fs.exists(self.root) else []:
            with contextlib.suppress(FileNotFoundError):
                files = list(self.fs.find(folder, detail=True).values())
                if files:
                    used = max(_modified(file) for file in files)
                    entries.append((used, folder, sum(file["size"] for file in files)))
        total = sum(size for _, _, size in entries)
        if total <= limit_bytes:
            return []
        keep, dropped = needed(), []
        for _, folder, size in sorted(entries):
            key = folder.rsplit("/", 1)[-1]
            if total > limit_bytes and key.split("@")[0] not in keep:
                self.drop(key)
                dropped.append(key)
                total -= size
        return dropped


def _modified(info: Mapping[str, Any]) -> float:
    """Seconds of a file's last change, as this filesystem calls them."""
    value = info.get("mtime") or info.get("LastModified") or info.get("created")
    return value.timestamp() if isinstance(value, datetime) else float(value or 0)
