"""Reads the params of a job for the command line: the text of ``--params``, or the file that it names."""

import sys
from pathlib import Path
from typing import BinaryIO

import orjson

from headrace._cli.execution import BadInputError
from headrace._messages.json_text import JsonText

_BYTE_LIMIT = 1_000_000


def read_params(text: str, items: str) -> JsonText:
    """Returns the text of ``--params``, or of the file that it names, unchanged.

    Args:
        text: JSON text, ``@FILE``, or ``@-`` or ``-`` for stdin.
        items: Argument of ``--items``.

    Raises:
        BadInputError: The file cannot be read, or the text is not the JSON text of an object.
    """
    if text in ("-", "@-"):
        if items == "-":
            raise BadInputError("--params and --items cannot both come from stdin")
        return _checked(_decoded(_read(sys.stdin.buffer), "stdin"), "--params from stdin")
    if text.startswith("@"):
        name = text[1:]
        try:
            with Path(name).expanduser().open("rb") as file:
                return _checked(_decoded(_read(file), name), f"--params in {name}")
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            raise BadInputError(f"--params: {name}: {reason}") from None
    return _checked(text, "--params")


def _read(file: BinaryIO) -> bytes:
    data = file.read(_BYTE_LIMIT + 1)
    if len(data) > _BYTE_LIMIT:
        raise BadInputError("--params must have at most 1 MB")
    return data


def _decoded(data: bytes, name: str) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise BadInputError(f"--params: {name} is not UTF-8") from None


def _checked(text: str, place: str) -> JsonText:
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise BadInputError(f"{place} is not JSON: {error}") from None
    if not isinstance(value, dict):
        raise BadInputError(f"{place} must be a JSON object, such as '{{\"sleep_ms\": 10}}'")
    return JsonText(text)
