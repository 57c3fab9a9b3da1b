"""Reads items from a file of JSON lines, of any size."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import orjson

from headrace._cli.execution import BadInputError
from headrace._messages.json_text import JsonText
from headrace._submitting.caller_items import CallerItems
from headrace._submitting.item_reading import MAX_ITEM_BYTES

_UTF8_MARK = b"\xef\xbb\xbf"
_JSON_SPACE = b" \t\r\n"
_MAX_LINE_BYTES = 2 * MAX_ITEM_BYTES  # an item and white space around it
_STDIN = 0


@contextmanager
def open_items(path: str) -> Iterator[CallerItems]:
    """Yields the items of a file, read in a thread, so that waiting for input does not block the loop.

    Args:
        path: Name of the file, or ``-`` for stdin.
    """
    items = CallerItems(read_lines(path))
    # A daemon: a blocking read of stdin cannot be stopped, and nothing needs to wait for it.
    threading.Thread(target=items.serve, name="headrace-items", daemon=True).start()
    try:
        yield items
    finally:
        items.end()


def read_lines(path: str) -> Iterator[JsonText]:
    """Yields the JSON text of each line unchanged. Skips blank lines. Holds one line at a time.

    Args:
        path: Name of the file, or ``-`` for stdin.

    Raises:
        BadInputError: The file cannot be read or has no items, or a line is not JSON or exceeds 1 MB. The
            message has the number of the line.
    """
    name = "stdin" if path == "-" else path
    is_empty = True
    try:
        # Opens stdin anew: Python closes sys.stdin at exit, and would wait for this thread.
        with open(_STDIN if path == "-" else path, "rb", closefd=path != "-") as lines:
            for number, line in enumerate(iter(lambda: lines.readline(_MAX_LINE_BYTES), b""), start=1):
                text = (line.removeprefix(_UTF8_MARK) if number == 1 else line).strip(_JSON_SPACE)
                if text:
                    is_empty = False
                    yield _checked(text, name, number)
    except OSError as error:
        raise BadInputError(f"cannot read {name}: {error.strerror}") from None
    if is_empty:
        raise BadInputError(f"{name} has no items: it must have a JSON value on each line")


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


def _checked(text: bytes, name: str, number: int) -> JsonText:
    if len(text) > MAX_ITEM_BYTES:
        raise BadInputError(f"{name} line {number} exceeds 1 MB, the maximum of an item")
    try:
        orjson.loads(text)
        return JsonText(text.decode())
    except orjson.JSONDecodeError as error:
        raise BadInputError(f"{name} line {number} is not JSON: {error.msg} (column {error.colno})") from None
