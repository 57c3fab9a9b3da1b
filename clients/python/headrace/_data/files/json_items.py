"""Reads items of JSON: a value on each line, or the elements of one array. Their text stays unchanged."""

from collections.abc import Iterator
from io import BufferedReader
from typing import BinaryIO, cast

import orjson

from headrace._data.faults import invalid_data
from headrace._data.files.first_bytes import SNIFFED_BYTES
from headrace._data.files.json_array import JsonArray
from headrace._data.files.source_file import SourceFile, is_json
from headrace._data.files.text_encoding import Utf8Reader, find_encoding
from headrace._data.limits import MAX_ITEM_BYTES
from headrace._data.reading_options import ReadingOptions
from headrace._messages.json_text import JsonText
from headrace._messages.plain_values import SURROGATE_REMEDY

WANTED = "it must have a JSON value on each line, or be one JSON array, or name another format"
_UTF8_MARK = b"\xef\xbb\xbf"
_SPACE = b" \t\r\n"
_MAX_LINE_BYTES = 2 * MAX_ITEM_BYTES  # an item and white space around it


def json_items(source: SourceFile, options: ReadingOptions) -> Iterator[JsonText]:
    """Yields the JSON text of each line, or of each element of an array. Skips blank lines.

    Holds about one item at a time.

    Raises:
        InvalidArgumentError: An item is not JSON or exceeds 1 MB. The message names its line or element.
    """
    encoding = options.encoding or find_encoding(source.file.peek(SNIFFED_BYTES))
    if options.encoding is None and not encoding.startswith("utf-16"):
        yield from _utf8_items(source.file, source.name)
        return
    with BufferedReader(Utf8Reader(source.file, encoding, source.name), SNIFFED_BYTES) as file:
        yield from _utf8_items(cast(BinaryIO, file), source.name)


def _utf8_items(file: BinaryIO, name: str) -> Iterator[JsonText]:
    lines = _numbered_lines(file)
    number, line = next(lines, (0, b""))
    if line.lstrip(_SPACE).startswith(b"["):
        second = next(lines, None) if is_json(line) else None
        if second is None:
            yield from _elements(line, file, name)
            return
        yield _checked(line, f"{name} line {number}")
        number, line = second
    if line:
        yield _checked(line, f"{name} line {number}", WANTED if number == 1 else "")
    for number, line in lines:
        yield _checked(line, f"{name} line {number}")


def _numbered_lines(file: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """Yields each line that is not blank, with its number. A line over 2 MB comes in several pieces."""
    for number, line in enumerate(iter(lambda: file.readline(_MAX_LINE_BYTES), b""), start=1):
        text = line.removeprefix(_UTF8_MARK) if number == 1 else line
        if text.strip(_SPACE):
            yield number, text


def _elements(begin: bytes, rest: BinaryIO, name: str) -> Iterator[JsonText]:
    for number, text in enumerate(JsonArray(begin, rest, name).elements(), start=1):
        yield _checked(text.encode(), f"{name} element {number}")


def _checked(line: bytes, place: str, hint: str = "") -> JsonText:
    text = line.strip(_SPACE)
    if len(text) > MAX_ITEM_BYTES:
        raise invalid_data(f"{place} exceeds 1 MB, the maximum of an item")
    try:
        orjson.loads(text)
        return JsonText(text.decode())
    except orjson.JSONDecodeError as error:
        if "surrogate" in error.msg and "UTF-8" not in error.msg:
            raise invalid_data(f"{place} (column {error.colno}) has {SURROGATE_REMEDY}") from None
        problem = f"{place} is not JSON: {error.msg} (column {error.colno})"
        raise invalid_data(f"{problem}; {hint}" if hint else problem) from None
