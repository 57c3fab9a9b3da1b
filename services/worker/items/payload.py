"""JSON text of items and outputs, to and from Python values."""

import json
import re
from typing import Any

import orjson

from headrace.kinds import ItemFailedError, JsonValue

MAX_OUTPUT_BYTES = 3 * 1024 * 1024
# orjson makes a float of an integer beyond 64 bits; json keeps it exact.
_LONG_NUMBER = re.compile(r"\d{19}")


def decode_input(text: str) -> JsonValue:
    """Returns an item's value; integers of any size are exact.

    Raises:
        ItemFailedError: INPUT_NOT_JSON, or nested too deeply.
    """
    try:
        if not _LONG_NUMBER.search(text):
            return orjson.loads(text)
        return json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        raise ItemFailedError("INPUT_NOT_JSON", "the item is not JSON that can be read") from None


def encode_output(value: JsonValue) -> str:
    """Returns an output's JSON text.

    Raises:
        ItemFailedError: OUTPUT_TOO_LARGE.
        TypeError: It is no JSON value.
        ValueError: It holds NaN or infinity beside what orjson cannot take.
    """
    try:
        encoded = orjson.dumps(value)
    except orjson.JSONEncodeError:  # such as an integer beyond 64 bits
        encoded = json.dumps(value, allow_nan=False).encode()
    if len(encoded) > MAX_OUTPUT_BYTES:
        raise ItemFailedError("OUTPUT_TOO_LARGE", f"the output is over 3 MB ({len(encoded)} bytes)")
    return encoded.decode()


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")
