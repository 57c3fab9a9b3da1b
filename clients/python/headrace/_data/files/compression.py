"""Decompresses files that are compressed with gzip or zstd, found by their first bytes."""

import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader
from typing import Any

from headrace._data.faults import invalid_data

_GZIP = b"\x1f\x8b"
_ZSTD = b"\x28\xb5\x2f\xfd"
_READ_BYTES = 256 * 1024


@contextmanager
def decompressed(file: Any, name: str) -> Iterator[BufferedReader]:
    """Yields a file without its compression, or the file itself if it has none.

    Raises:
        InvalidArgumentError: The compressed data is broken or cut off, or a library is missing.
    """
    begin = file.peek(4)[:4]
    try:
        if begin.startswith(_GZIP):
            with gzip.GzipFile(fileobj=file) as plain:
                yield BufferedReader(plain, _READ_BYTES)
        elif begin == _ZSTD:
            with _zstd(file, name) as plain:
                yield BufferedReader(plain, _READ_BYTES)
        else:
            yield file
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise invalid_data(f"{name} is broken: {_reason(error)}; compress or copy it again") from None


@contextmanager
def _zstd(file: Any, name: str) -> Iterator[Any]:
    try:
        import zstandard
    except ModuleNotFoundError:
        raise invalid_data(f"{name} is compressed with zstd: pip install 'headrace[zstd]'") from None
    try:
        with zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True) as plain:
            yield plain
    except zstandard.ZstdError as error:
        raise invalid_data(f"{name} is broken: {_reason(error)}; compress or copy it again") from None


def _reason(error: Exception) -> str:
    return str(error).splitlines()[0].lower() if str(error) else "it ends too early"
