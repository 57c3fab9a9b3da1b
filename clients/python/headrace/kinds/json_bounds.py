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
_NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))


def read_json(text: str) -> Any:
    """Returns the value of a JSON text.

    Raises:
        ValueError: It is not JSON, or exceeds a bound. The message is a predicate: ``is not JSON: ...``.
    """
    if text.count("[") + text.count("{") > MAX_NESTING:
        _check_brackets(_STRING.sub("", text).encode().translate(None, _NO_BRACKETS))
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise ValueError(f"is not JSON: {error}") from None


def _check_brackets(brackets: bytes) -> None:
    """Checks the brackets outside strings. Looking at the value instead would take its memory again."""
    if brackets.count(b"[") + brackets.count(b"{") > MAX_CONTAINERS:
        raise ValueError(TOO_MANY)
    depth = 0
    for bracket in brackets:
        depth += 1 if bracket in b"[{" else -1
        if depth > MAX_NESTING:
            raise ValueError(TOO_DEEP)


def is_too_deep(value: Any) -> bool:
    """Returns whether a JSON value has more than 250 levels."""
    level = [value]
    for _ in range(MAX_NESTING + 1):
        level = [each for each in level if isinstance(each, (list, dict))]
        if not level:
            return False
        level = [child for each in level for child in (each.values() if isinstance(each, dict) else each)]
    return True
