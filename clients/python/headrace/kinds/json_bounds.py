"""Bounds of JSON texts: their nesting, and the number of their lists and objects."""

import re
from typing import Any

import orjson

MAX_NESTING = 250
# An empty list is two bytes of text and some 80 bytes of memory.
MAX_CONTAINERS = 50_000
TOO_DEEP = f"must be nested at most {MAX_NESTING} levels deep"
TOO_MANY = f"must hold at most {MAX_CONTAINERS:,} lists and objects"
# A string, closed or not. Possessive, and never without a match at a quote: else it would be quadratic.
_STRING = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)', re.DOTALL)
# orjson reads 1,024 levels and says so in these words.
_ORJSON_WORDS = "depth limit exceeded"


def read_json(text: str) -> Any:
    """Returns the value of a JSON text.

    Raises:
        ValueError: It is not JSON, or exceeds a bound. The message is a predicate: ``is not JSON: ...``.
    """
    count = _brackets(text)
    if count > MAX_CONTAINERS and _brackets(_STRING.sub("", text)) > MAX_CONTAINERS:
        raise ValueError(TOO_MANY)
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        problem = TOO_DEEP if error.msg.startswith(_ORJSON_WORDS) else f"is not JSON: {error}"
        raise ValueError(problem) from None
    if count > MAX_NESTING and is_too_deep(value):
        raise ValueError(TOO_DEEP)
    return value


def _brackets(text: str) -> int:
    return text.count("[") + text.count("{")


def is_too_deep(value: Any) -> bool:
    """Returns whether a value that orjson has read has more than 250 levels. A few levels more may pass."""
    try:
        orjson.dumps(value)
    except orjson.JSONEncodeError:  # orjson writes 254 levels
        return True
    return False
