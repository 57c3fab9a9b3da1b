"""Items from a file of JSON lines, of any size."""

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
_MAX_LINE_BYTES = 2 * MAX_ITEM_BYTES  # an item, and space around it
_STDIN = 0


@contextmanager
def open_items(path: str) -> Iterator[CallerItems]:
    """Gives the items of a file, read in a thread, so that one that waits for its input holds up nothing.

    Args:
        path: Name of the file, or ``-`` for stdin.
    """
    items = CallerItems(read_lines(path))
    # A daemon: nothing can end a read of stdin that waits, and nobody has to wait for it.
    threading.Thread(target=items.serve, name="headrace-items", daemon=True).start()
    try:
        yield items
    finally:
        items.end()


def read_lines(path: str) -> Iterator[JsonText]:
    """Yields each line's JSON text unchanged; blank lines are skipped. Holds one line at a time.

    Args:
        path: Name of the file, or ``-`` for stdin.

    Raises:
        BadInputError: The file cannot be read or holds no items, or one of its lines is no JSON or an item of
            over 1 MB: the line's number and the fault are named.
    """
    name = "stdin" if path == "-" else path
    is_empty = True
    try:
        # Stdin through a reader of our own: Python closes its own at exit, and would wait for this thread.
        with open(_STDIN if path == "-" else path, "rb", closefd=path != "-") as lines:
            for number, line in enumerate(iter(lambda: lines.readline(_MAX_LINE_BYTES), b""), start=1):
                text = (line.removeprefix(_UTF8_MARK) if number == 1 else line).strip(_JSON_SPACE)
                if text:
                    is_empty = False
                    yield _checked(text, name, number)
    except OSError as error:
        raise BadInputError(f"cannot read {name}: {error.strerror}") from None
    if is_empty:
        raise BadInputError(f"{name} holds no items: it must have a JSON value on each line")


def check_params(text: str) -> JsonText:
    """Returns the text of ``--params`` unchanged.

    Raises:
        BadInputError: It is no JSON text of an object.
    """
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise BadInputError(f"--params is no JSON: {error}") from None
    if not isinstance(value, dict):
        raise BadInputError("--params must be a JSON object, such as '{\"sleep_ms\": 10}'")
    return JsonText(text)


def _checked(text: bytes, name: str, number: int) -> JsonText:
    if len(text) > MAX_ITEM_BYTES:
        raise BadInputError(f"{name} line {number} passes 1 MB, the most that an item may hold")
    try:
        orjson.loads(text)
        return JsonText(text.decode())
    except orjson.JSONDecodeError as error:
        raise BadInputError(f"{name} line {number} is no JSON: {error.msg} (column {error.colno})") from None
