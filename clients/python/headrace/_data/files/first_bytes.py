"""Waits for the first bytes of a file, which tell its format, and reads them again afterwards."""

from io import BufferedReader, RawIOBase
from typing import Any

SNIFFED_BYTES = 256 * 1024


def with_first_bytes(file: Any, count: int, end: bytes) -> BufferedReader:
    """Returns a file whose ``peek`` has its first bytes, also where a pipe delivers them one by one.

    Args:
        file: A buffered file.
        count: Number of bytes to wait for.
        end: Bytes to wait for too, such as a line end. Not beyond 256 KB, or the end of the file.
    """
    begin = b""
    while len(begin) < SNIFFED_BYTES and (len(begin) < count or end not in begin):
        piece = file.read1(SNIFFED_BYTES - len(begin))
        if not piece:
            break
        begin += piece
    return BufferedReader(_Replayed(begin, file), SNIFFED_BYTES)


class _Replayed(RawIOBase):
    def __init__(self, begin: bytes, rest: Any) -> None:
        self._begin = begin
        self._rest = rest

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        if not self._begin:
            count: int = self._rest.readinto1(buffer)
            return count
        count = min(len(self._begin), len(buffer))
        buffer[:count] = self._begin[:count]
        self._begin = self._begin[count:]
        return count
