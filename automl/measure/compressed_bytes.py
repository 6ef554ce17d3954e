"""Bytes of a file as they are sent: compressed by zstd, at the level that its program has."""

from __future__ import annotations

LEVEL = 3


def compressed_bytes(file: bytes) -> int:
    """The length of a file after zstd. It goes by the version of zstd, by less than a percent."""
    # Whoever looks at figures imports this module, and compresses nothing.
    import pyarrow

    compressed: bytes = pyarrow.Codec("zstd", compression_level=LEVEL).compress(file, asbytes=True)
    return len(compressed)
