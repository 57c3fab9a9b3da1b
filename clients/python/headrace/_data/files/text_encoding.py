"""Finds the encoding of a text file, and reads it as text or as UTF-8."""

import codecs
import re
from collections.abc import Iterator
from io import BufferedReader, RawIOBase, TextIOWrapper

from headrace._data.faults import invalid_data

_MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
_UTF8 = "utf-8-sig"
_WESTERN = "cp1252"  # spreadsheets of Western Windows
_HIGH_BYTES = re.compile(rb"[\x80-\xff]+")


def find_encoding(begin: bytes) -> str:
    """Returns the encoding of text, from its first bytes: UTF-8, UTF-16 or Windows-1252.

    A byte order mark decides. Without one, text with many zero bytes is UTF-16. Text that is not UTF-8 in its
    first 256 KB is Windows-1252 if its letters beyond ASCII stand alone, as those of Western languages do.
    Other text counts as UTF-8, so that reading refuses it instead of guessing.
    """
    for mark, encoding in _MARKS:
        if begin.startswith(mark):
            return encoding
    even, odd = begin[0:4096:2].count(0), begin[1:4096:2].count(0)
    if max(even, odd) * 8 > len(begin[:4096]) and min(even, odd) * 8 < max(even, odd):
        return "utf-16-be" if even > odd else "utf-16-le"
    try:
        codecs.getincrementaldecoder("utf-8")().decode(begin)
    except UnicodeDecodeError:
        return _WESTERN if _is_western(begin) else _UTF8
    return _UTF8


def _is_western(begin: bytes) -> bool:
    runs = _HIGH_BYTES.findall(begin)
    return sum(len(run) > 2 for run in runs) * 4 <= len(runs)


def opened_text(file: BufferedReader, encoding: str) -> TextIOWrapper:
    """Returns a file as text with its line ends unchanged."""
    return TextIOWrapper(file, encoding=encoding, newline="")


class Utf8Reader(RawIOBase):
    """A text file of another encoding, read as UTF-8.

    Args:
        file: The file.
        encoding: Its encoding.
        name: Its name, for errors.
    """

    def __init__(self, file: BufferedReader, encoding: str, name: str) -> None:
        self._text = opened_text(file, encoding)
        self._pieces = self._encoded(self._text, encoding, name)
        self._rest = b""

    def close(self) -> None:
        """Closes the file too."""
        self._text.close()
        super().close()

    def readable(self) -> bool:
        """Returns True."""
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Fills the buffer with the next bytes, and returns their number. 0: the end."""
        if not self._rest:
            self._rest = next(self._pieces, b"")
        count = min(len(self._rest), len(buffer))
        buffer[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count

    @staticmethod
    def _encoded(text: TextIOWrapper, encoding: str, name: str) -> Iterator[bytes]:
        try:
            while piece := text.read(64 * 1024):
                yield piece.encode()
        except UnicodeError as error:
            raise invalid_data(f"{name} {undecodable(error, encoding)}") from None


def undecodable(error: UnicodeError, encoding: str) -> str:
    """Returns the fault of text that its encoding cannot read, with the remedy."""
    name = encoding.removesuffix("-sig").upper()
    reason = f" ({error.reason})" if isinstance(error, UnicodeDecodeError) else ""
    return f"is not {name}{reason}: save it as UTF-8, or name its encoding, such as latin-1"
