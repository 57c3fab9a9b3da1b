"""Reads items from a file of any size: JSON lines, or one JSON array."""

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

import orjson

from headrace._cli.execution import BadInputError
from headrace._cli.items.json_array import JsonArray
from headrace._cli.process.streams import say
from headrace._messages.json_text import JsonText
from headrace._submitting.caller_items import CallerItems
from headrace._submitting.item_reading import MAX_ITEM_BYTES

_UTF8_MARK = b"\xef\xbb\xbf"
_JSON_SPACE = b" \t\r\n"
_MAX_LINE_BYTES = 2 * MAX_ITEM_BYTES  # an item and white space around it
_STDIN = 0
_WANTED = "it must have a JSON value on each line, or be one JSON array"
_OTHER_FORMATS = (
    (
        b"\x1f\x8b",
        "is compressed with gzip: use `gunzip -c FILE | headrace submit ... --items -`",
    ),
    (b"PK\x03\x04", "is a zip file or a spreadsheet: save it as JSON lines first"),
    (b"PAR1", "is a Parquet file: save it as JSON lines first"),
    (b"\xff\xfe", "is UTF-16: save it as UTF-8"),
    (b"\xfe\xff", "is UTF-16: save it as UTF-8"),
)


@contextmanager
def open_items(path: str) -> Iterator[CallerItems]:
    """Yields the items of a file, read in a thread, so that waiting for input does not block the loop.

    Args:
        path: Name of the file, or ``-`` for stdin.
    """
    items = CallerItems(read_items(path))
    # A daemon: a blocking read of stdin cannot be stopped, and nothing needs to wait for it.
    threading.Thread(target=items.serve, name="headrace-items", daemon=True).start()
    try:
        yield items
    finally:
        items.end()


def read_items(path: str) -> Iterator[JsonText]:
    """Yields the JSON text of each item unchanged: of each line, or of each element of a single JSON array.

    Skips blank lines. Holds about one item at a time. A file that grows is read up to its end of that moment.

    Args:
        path: Name of the file, or ``-`` for stdin.

    Raises:
        BadInputError: The file cannot be read or has no items, or an item is not JSON or exceeds 1 MB. The
            message has the number of the line or of the element.
    """
    name = "stdin" if path == "-" else path or "''"
    if path == "-" and sys.stdin is not None and sys.stdin.isatty():
        say("reading items from the terminal: a JSON value on each line; end with Ctrl-D")
    is_empty = True
    try:
        # Opens stdin anew: Python closes sys.stdin at exit, and would wait for this thread.
        with open(_STDIN if path == "-" else path, "rb", closefd=path != "-") as file:
            for text in _texts(file, name):
                is_empty = False
                yield text
    except OSError as error:
        raise BadInputError(f"cannot read {name}: {error.strerror}") from None
    if is_empty:
        raise BadInputError(f"{name} has no items: {_WANTED}")


def _texts(file: BinaryIO, name: str) -> Iterator[JsonText]:
    lines = _numbered_lines(file)
    number, line = next(lines, (0, b""))
    _refuse_other_formats(line, name)
    if line.lstrip(_JSON_SPACE).startswith(b"["):
        is_whole = _is_json(line)
        second = next(lines, None) if is_whole else None
        if second is None:
            if is_whole:
                say(f"{name} is one JSON array: its elements are the items")
            yield from _elements(line, file, name)
            return
        yield _checked(line, f"{name} line {number}")
        number, line = second
    if line:
        yield _checked(line, f"{name} line {number}", _WANTED if number == 1 else "")
    for number, line in lines:
        yield _checked(line, f"{name} line {number}")


def _numbered_lines(file: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """Yields each line that is not blank, with its number. A line over 2 MB comes in several pieces."""
    for number, line in enumerate(iter(lambda: file.readline(_MAX_LINE_BYTES), b""), start=1):
        text = line.removeprefix(_UTF8_MARK) if number == 1 else line
        if text.strip(_JSON_SPACE):
            yield number, text


def _elements(begin: bytes, rest: BinaryIO, name: str) -> Iterator[JsonText]:
    for number, text in enumerate(JsonArray(begin, rest, name).elements(), start=1):
        yield _checked(text.encode(), f"{name} element {number}")


def _refuse_other_formats(begin: bytes, name: str) -> None:
    for mark, remedy in _OTHER_FORMATS:
        if begin.startswith(mark):
            raise BadInputError(f"{name} {remedy}")


def check_params(text: str) -> JsonText:
    """Returns the text of ``--params`` unchanged.

    Raises:
        BadInputError: It is not the JSON text of an object.
    """
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise BadInputError(f"--params is not JSON: {error}") from None
    if not isinstance(value, dict):
        raise BadInputError("--params must be a JSON object, such as '{\"sleep_ms\": 10}'")
    return JsonText(text)


def _is_json(text: bytes) -> bool:
    try:
        orjson.loads(text)
    except orjson.JSONDecodeError:
        return False
    return True


def _checked(line: bytes, place: str, hint: str = "") -> JsonText:
    text = line.strip(_JSON_SPACE)
    if len(text) > MAX_ITEM_BYTES:
        raise BadInputError(f"{place} exceeds 1 MB, the maximum of an item")
    try:
        orjson.loads(text)
        return JsonText(text.decode())
    except orjson.JSONDecodeError as error:
        problem = f"{place} is not JSON: {error.msg} (column {error.colno})"
        raise BadInputError(f"{problem}; {hint}" if hint else problem) from None
