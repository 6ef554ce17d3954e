"""The store: artifacts by key on any fsspec filesystem, which trials share instead of work."""

from __future__ import annotations

import contextlib
import os
import platform
import uuid
from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import fsspec
from fsspec.implementations.local import LocalFileSystem

from automl.errors import UserError
from automl.retry import patient

IDENTITY = "identity"
NETWORK_LIBRARIES = ("aiobotocore", "aiohttp", "botocore", "urllib3")


def _passes(error: BaseException) -> bool:
    """True for an error after which a filesystem may work again by itself."""
    if isinstance(error, FileNotFoundError):
        return False
    return isinstance(error, OSError) or type(error).__module__.split(".")[0] in NETWORK_LIBRARIES


class Trimmed(NamedTuple):
    """The keys that were dropped from a store, and the bytes that are left in it."""

    dropped: list[str]
    num_bytes: int


class Store:
    """Folders of small files under one root, each named by the hash of what made it.

    A file appears whole or not at all. Two writers of a key write the same bytes, so
    the last one wins without harm; a reader who finds nothing does the work itself.
    A filesystem that fails is tried again for a while. With an `identity`, the root must hold
    that identity: a root without it is a store that is away just now, or another store.
    """

    def __init__(self, url: str | Path, identity: str = "") -> None:
        self.url, self.identity = str(url), identity
        self.fs: fsspec.AbstractFileSystem
        # fsspec takes a :: in a folder's name for the end of its path.
        self.fs, root = LocalFileSystem(), os.path.abspath(self.url)
        try:
            if "://" in self.url:
                # What others write must be seen at once.
                self.fs, root = fsspec.core.url_to_fs(self.url, use_listings_cache=False)
        except (ImportError, ValueError) as error:
            raise UserError(f"the store {url} cannot be used: {error}") from None
        self.root = root.rstrip("/")
        # Other filesystems read these characters as patterns, and move or drop what matches.
        if set(self.root) & set("*?[") and not isinstance(self.fs, LocalFileSystem):
            raise UserError(f"the store {url} cannot be used: its path has one of *, ? and [")

    def identify(self) -> str:
        """Learn the store's identity, and give one to a new store.

        Raises UserError when the store cannot be written.
        """
        try:
            if not self._found():
                self.fs.makedirs(self.root, exist_ok=True)
                self.fs.pipe_file(f"{self.root}/{IDENTITY}", uuid.uuid4().hex.encode())
            self.identity = self._found()
        except Exception as error:
            raise UserError(f"the store {self.url} cannot be written: {error}") from None
        return self.identity

    def is_here(self) -> bool:
        """True when this machine reaches the store of that identity."""
        try:
            return self._found() == self.identity
        except Exception as error:
            if not _passes(error):
                raise
            return False

    @patient(_passes)
    def read(self, key: str, name: str) -> bytes | None:
        """A file's bytes; None when there is no such file."""
        try:
            data: bytes = self.fs.cat_file(f"{self.root}/{key}/{name}")
        except FileNotFoundError:
            self._check()
            return None
        return data

    @patient(_passes)
    def has(self, key: str, name: str) -> bool:
        """True when there is such a file."""
        try:
            self.fs.info(f"{self.root}/{key}/{name}")
        except FileNotFoundError:
            self._check()
            return False
        return True

    @patient(_passes)
    def write(self, key: str, files: Mapping[str, bytes]) -> None:
        """Write files in the order given: let the file that readers look for come last."""
        self._check()
        for name, data in files.items():
            try:
                self._write(key, name, data)
            except FileNotFoundError:
                # Someone dropped the key at this moment; the folder is made anew.
                self._write(key, name, data)

    def _write(self, key: str, name: str, data: bytes) -> None:
        """Write through another file: a rename within a folder is whole or not at all."""
        folder = f"{self.root}/{key}"
        new = f"{folder}/.{uuid.uuid4().hex}"
        self.fs.makedirs(folder, exist_ok=True)
        self.fs.pipe_file(new, data)
        self.fs.mv(new, f"{folder}/{name}")

    def use(self, key: str) -> None:
        """Note that a key was used, for `trim`."""
        self.write(key, {"used": b""})

    @patient(_passes)
    def starting_with(self, prefix: str) -> list[str]:
        """The keys that begin with a prefix."""
        found = [name for name in self._listed(self.root) if name.startswith(prefix)]
        if not found:
            self._check()
        return found

    @patient(_passes)
    def names(self, key: str) -> list[str]:
        """The whole files of a key."""
        return [name for name in self._listed(f"{self.root}/{key}") if not name.startswith(".")]

    def _listed(self, folder: str) -> list[str]:
        """The names in a folder, in their order; none where there is no such folder."""
        try:
            found = self.fs.ls(folder, detail=False)
        except FileNotFoundError:
            return []
        return sorted(path.rstrip("/").rsplit("/", 1)[-1] for path in found)

    @patient(_passes)
    def drop(self, key: str) -> None:
        """Remove a key with all its files, if it is there."""
        with contextlib.suppress(FileNotFoundError):
            self.fs.rm(f"{self.root}/{key}", recursive=True)

    def trim(self, limit_bytes: int, needed: Callable[[], Collection[str]]) -> Trimmed:
        """Drop the least recently used keys until the rest fits, never those `needed`.

        `needed()` is asked only when there is too much. A checkpoint is kept and dropped like
        its key.
        """
        entries = []
        for folder in self.fs.ls(self.root, detail=False) if self.fs.exists(self.root) else []:
            if folder.endswith(f"/{IDENTITY}"):
                continue
            with contextlib.suppress(FileNotFoundError):
                files = list(self.fs.find(folder, detail=True).values())
                if files:
                    used = max(_modified(file) for file in files)
                    entries.append((used, folder, sum(file["size"] for file in files)))
        total = sum(size for _, _, size in entries)
        if total <= limit_bytes:
            return Trimmed([], total)
        keep, dropped = needed(), []
        for _, folder, size in sorted(entries):
            key = folder.rsplit("/", 1)[-1]
            if total > limit_bytes and key.split("@")[0] not in keep:
                self.drop(key)
                dropped.append(key)
                total -= size
        return Trimmed(dropped, total)

    def _found(self) -> str:
        """The identity that the root holds, if any."""
        try:
            return str(self.fs.cat_file(f"{self.root}/{IDENTITY}").decode())
        except FileNotFoundError:
            return ""

    def _check(self) -> None:
        """Raise OSError when the root is not that of this store."""
        if self.identity and self._found() != self.identity:
            raise OSError(
                f"the store {self.url} is away, or not the one of this search "
                f"(seen from {platform.node()})"
            )


def _modified(info: Mapping[str, float | datetime]) -> float:
    """The time of a file's last change in seconds, under the name that its filesystem has."""
    value = info.get("mtime") or info.get("LastModified") or info.get("created") or 0.0
    return value.timestamp() if isinstance(value, datetime) else float(value)
