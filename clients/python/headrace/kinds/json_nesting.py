"""Bounds the nesting of JSON."""

from typing import Any

import orjson

MAX_NESTING = 250
TOO_DEEP = f"must be nested at most {MAX_NESTING} levels deep"
# orjson reads 1,024 levels and says so in these words.
_ORJSON_WORDS = "depth limit exceeded"


def is_nested_too_deeply(text: str, value: Any) -> bool:
    """Returns whether a JSON value has more than 250 levels. A few levels more may pass.

    Args:
        text: The JSON text. If it has few brackets, its value is not looked at.
        value: The value of the text, as orjson reads it.
    """
    return text.count("[") + text.count("{") > MAX_NESTING and is_too_deep(value)


def is_too_deep(value: Any) -> bool:
    """Returns whether a value that orjson has read has more than 250 levels. A few levels more may pass."""
    try:
        orjson.dumps(value)
    except orjson.JSONEncodeError:  # orjson writes 254 levels
        return True
    return False


def describe(error: orjson.JSONDecodeError) -> str:
    """Returns the problem of a text that is not JSON, with its place."""
    return TOO_DEEP if error.msg.startswith(_ORJSON_WORDS) else f"is not JSON: {error}"
