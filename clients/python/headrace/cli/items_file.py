"""Items from a file of JSON lines."""

import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import IO

import orjson

from headrace.cli.execution import BadInputError
from headrace.item_gathering import MAX_REQUEST_BYTES
from headrace.json_text import JsonText

_UTF8_MARK = b"\xef\xbb\xbf"
_JSON_SPACE = b" \t\r\n"
_SPLIT = "submit several jobs of fewer items; nothing was submitted"


def read_items(path: str) -> Iterator[JsonText]:
    """Yields each line's JSON text unchanged; blank lines are skipped.

    Args:
        path: Name of the file, or ``-`` for stdin.

    Raises:
        BadInputError: The file cannot be read, holds no items or more than one request can carry, or one
            of its lines is no JSON: the line's number and the fault are named.
    """
    name = "stdin" if path == "-" else path
    size = 0
    try:
        with _open(path) as lines:
            for number, line in enumerate(lines, start=1):
                text = (line.removeprefix(_UTF8_MARK) if number == 1 else line).strip(_JSON_SPACE)
                if text:
                    size += len(text)
                    if size > MAX_REQUEST_BYTES:
                        raise BadInputError(f"{name} passes 4 MB at line {number}: {_SPLIT}")
                    yield _checked(text, name, number)
    except OSError as error:
        raise BadInputError(f"cannot read {name}: {error.strerror}") from None
    if not size:
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


def _open(path: str) -> AbstractContextManager[IO[bytes]]:
    return nullcontext(sys.stdin.buffer) if path == "-" else open(path, "rb")


def _checked(text: bytes, name: str, number: int) -> JsonText:
    try:
        orjson.loads(text)
        return JsonText(text.decode())
    except orjson.JSONDecodeError as error:
        raise BadInputError(
            f"{name} line {number} is no JSON: {error.msg} (column {error.colno}); nothing was submitted"
        ) from None
