"""Converts the JSON text of items and outputs to and from Python values."""

import json
import re
from typing import Any

import orjson

from headrace.kinds import ItemFailedError, JsonValue
from headrace.reasons import ErrorReason

MAX_OUTPUT_BYTES = 3 * 1024 * 1024
# orjson turns an integer beyond 64 bits into a float; json keeps it exact.
_LONG_NUMBER = re.compile(r"\d{19}")


def decode_input(text: str) -> JsonValue:
    """Returns the value of an item; integers of any size are exact.

    Raises:
        ItemFailedError: INPUT_NOT_JSON, also if it is nested too deeply.
    """
    try:
        if not _LONG_NUMBER.search(text):
            return orjson.loads(text)
        return json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        raise ItemFailedError(ErrorReason.INPUT_NOT_JSON, "the item is not readable JSON") from None


def encode_output(value: JsonValue) -> str:
    """Returns the JSON text of an output.

    Raises:
        ItemFailedError: OUTPUT_TOO_LARGE.
        TypeError: The value is not a JSON value.
        ValueError: The value holds NaN or infinity along with something that orjson cannot encode.
    """
    try:
        encoded = orjson.dumps(value)
    except orjson.JSONEncodeError:  # such as an integer beyond 64 bits
        encoded = json.dumps(value, allow_nan=False).encode()
    if len(encoded) > MAX_OUTPUT_BYTES:
        raise ItemFailedError(ErrorReason.OUTPUT_TOO_LARGE, f"the output is over 3 MB ({len(encoded)} bytes)")
    return encoded.decode()


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")
