"""JSON text of items, params and outputs: made, read, and never changed on its way."""

import json
import math
from dataclasses import fields, is_dataclass
from typing import Any

import orjson

from headrace.errors import FieldViolation, InvalidArgumentError


class JsonText(str):
    """Text that is JSON already; items and params given so are sent unchanged, not encoded again."""

    __slots__ = ()


def encode(value: Any, field: str) -> str:
    """Returns the JSON text of a value.

    Args:
        value: None, bool, int, float, str, list, tuple, dict with str keys, dataclass, datetime, UUID or
            enum, nested as you like; or a JsonText, which is returned as it is.
        field: How to name the value in an error, such as ``items[3]``.

    Raises:
        InvalidArgumentError: JSON cannot hold the value (NaN, infinity, int over 64 bit, other types).
    """
    if isinstance(value, JsonText):
        return value
    try:
        text = orjson.dumps(value)
    except TypeError as error:
        raise _refusal(field, str(error)) from None
    # orjson writes NaN and infinity as null, so only a text with a null in it needs a closer look.
    if b"null" in text and _holds_no_number(value):
        raise _refusal(field, "NaN and infinity are no JSON numbers")
    return text.decode()


def utf8_size(text: str, field: str) -> int:
    """Returns how many bytes a text takes in a message.

    Raises:
        InvalidArgumentError: UTF-8 cannot hold it (a JsonText with single surrogates).
    """
    if text.isascii():
        return len(text)
    try:
        return len(text.encode())
    except UnicodeEncodeError as error:
        raise _refusal(field, f"UTF-8 cannot hold it: {error.reason}") from None


def decode(text: str) -> Any:
    """Returns the value of a JSON text that a server sent."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:  # stricter than JSON is: single surrogates, very deep nesting
        return json.loads(text)


def _holds_no_number(value: Any) -> bool:
    if isinstance(value, float):
        return not math.isfinite(value)
    if isinstance(value, dict):
        return any(_holds_no_number(member) for member in value.values())
    if isinstance(value, (list, tuple)):
        return any(_holds_no_number(member) for member in value)
    if is_dataclass(value):
        return any(_holds_no_number(getattr(value, member.name)) for member in fields(value))
    return False


def _refusal(field: str, why: str) -> InvalidArgumentError:
    violation = FieldViolation(field, why)
    return InvalidArgumentError(f"{field} cannot be written as JSON", violations=[violation])
