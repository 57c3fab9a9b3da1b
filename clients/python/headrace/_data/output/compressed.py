"""Compresses what is written to a file with gzip or zstd."""

import gzip
import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO

from headrace._data.output.faults import missing_library
from headrace._data.output.formats import Compression


def check_compression(compression: Compression) -> None:
    """Checks that the library of a compression is installed.

    Raises:
        InvalidArgumentError: It is not.
    """
    if compression == "zst" and importlib.util.find_spec("zstandard") is None:
        raise missing_library("zstd", "zstandard", "zstd")


@contextmanager
def compressed(file: BinaryIO, compression: Compression) -> Iterator[BinaryIO]:
    """Yields a file whose content is compressed into another, as one stream. The other one stays open."""
    if not compression:
        yield file
        return
    packed: Any
    if compression == "gz":
        packed = gzip.GzipFile(filename="", mode="wb", fileobj=file, compresslevel=6, mtime=0)
    else:
        import zstandard

        packed = zstandard.ZstdCompressor().stream_writer(file, closefd=False)
    with packed:
        yield packed
