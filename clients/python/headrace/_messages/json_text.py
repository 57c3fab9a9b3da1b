"""Encodes and decodes the JSON text of items, params and outputs."""

import json
import math
from dataclasses import fields, is_dataclass
from typing import Any

import orjson

from headrace.errors import FieldViolation, InvalidArgumentError


class JsonText(str):
    """Text that is JSON already. As an item or as params it is sent unchanged, not encoded again."""

    __slots__ = ()


def encode(value: Any, field: str) -> str:
    """Returns the JSON text of a value.

    Args:
        value: None, bool, int, float, str, list, tuple, dict with str keys, dataclass, datetime, UUID or
            enum, at any depth; or a JsonText, which is returned unchanged.
        field: Name of the value in an error, such as ``items[3]``.

    Raises:
        InvalidArgumentError: JSON cannot hold the value (NaN, infinity, int over 64 bit, other types).
    """
    if isinstance(value, JsonText):
        return value
    try:
        text = orjson.dumps(value)
    except TypeError as error:
        raise _refusal(field, str(error)) from None
    # orjson writes NaN and infinity as null, so only a text that contains null is checked further.
    if b"null" in text and _has_non_finite_number(value):
        raise _refusal(field, "NaN and infinity are not JSON numbers")
    return text.decode()


def utf8_size(text: str, field: str) -> int:
    """Returns the size of a text in a message, in bytes.

    Raises:
        InvalidArgumentError: UTF-8 cannot encode it (a JsonText with single surrogates).
    """
    if text.isascii():
        return len(text)
    try:
        return len(text.encode())
    except UnicodeEncodeError as error:
        raise _refusal(field, f"UTF-8 cannot encode it: {error.reason}") from None


def decode(text: str) -> Any:
    """Returns the value of a JSON text from a server."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:  # stricter than JSON: refuses single surrogates and very deep nesting
        return json.loads(text)


def _has_non_finite_number(value: Any) -> bool:
    if isinstance(value, float):
        return not math.isfinite(value)
    if isinstance(value, dict):
        return any(_has_non_finite_number(member) for member in value.values())
    if isinstance(value, (list, tuple)):
        return any(_has_non_finite_number(member) for member in value)
    if is_dataclass(value):
        return any(_has_non_finite_number(getattr(value, member.name)) for member in fields(value))
    return False


def _refusal(field: str, why: str) -> InvalidArgumentError:
    violation = FieldViolation(field, why)
    return InvalidArgumentError(f"{field} cannot be written as JSON", violations=[violation])
