"""Encodes and decodes the JSON text of items, params and outputs."""

import json
from typing import Any

import orjson

from headrace._messages.plain_values import ValueRefusedError, has_missing_number, known_form, plain
from headrace.errors import FieldViolation, InvalidArgumentError


class JsonText(str):
    """Text that is JSON already. As an item or as params it is sent unchanged, not encoded again."""

    __slots__ = ()


def encode(value: Any, field: str) -> str:
    """Returns the JSON text of a value.

    Args:
        value: None, bool, int, float, str, list, tuple, dict with str keys, dataclass, pydantic model,
            datetime, Decimal, UUID, enum, or scalar or array of numpy, at any depth; or a JsonText, which is
            returned unchanged.
        field: Name of the value in an error, such as ``items[3]``.

    Raises:
        InvalidArgumentError: JSON cannot hold the value (NaN, infinity, int over 64 bit, other types).
    """
    if isinstance(value, JsonText):
        return value
    try:
        text = orjson.dumps(value, default=known_form)
        # orjson writes NaN and infinity as null, so only a text that contains null is checked further.
        if b"null" in text and has_missing_number(value):
            text = orjson.dumps(plain(value))
    except TypeError as error:
        raise _refusal(field, _reason(value, error)) from None
    except ValueRefusedError as error:
        raise _refusal(field, str(error)) from None
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


def _reason(value: Any, error: TypeError) -> str:
    """Returns the reason of a refusal with the place in the value, if it can be found."""
    try:
        plain(value)
    except ValueRefusedError as refused:
        return str(refused)
    return str(error)


def _refusal(field: str, why: str) -> InvalidArgumentError:
    violation = FieldViolation(field, why)
    return InvalidArgumentError(f"{field} cannot be written as JSON: {why}", violations=[violation])
