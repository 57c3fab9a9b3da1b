"""The plain form of the public objects: values that every JSON library takes."""

import math
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Any

from headrace._messages.plain_values import known_form

_LEAST_INT, _GREATEST_INT = -(2**63), 2**64 - 1


class PlainDict:
    """Base of the objects that clients return: dataclasses that turn into dicts."""

    __slots__ = ()

    def to_dict(self) -> dict[str, Any]:
        """Returns the fields by name, as values that every JSON library takes.

        These are None, bool, int, float, str, list and dict. A time is ISO text in UTC, such as
        ``2026-11-30T12:00:00.250000Z``; a duration is its seconds; an enum is its name. An object of an
        output_type is a dict of its fields. In outputs, half of
        an emoji becomes U+FFFD, an integer over 64 bits its text, NaN and infinity None. A later change of
        the dict changes no object.
        """
        members = fields(self)  # type: ignore[arg-type]  # each class that inherits from it is a dataclass
        return {member.name: plain_value(getattr(self, member.name)) for member in members}


def plain_value(value: Any) -> Any:
    """Returns a value as ``PlainDict.to_dict`` does: made of None, bool, int, float, str, list and dict."""
    if isinstance(value, PlainDict):
        return value.to_dict()
    if isinstance(value, Enum):
        return plain_value(value.value)
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, int) and not isinstance(value, bool):
        return int(value) if _LEAST_INT <= value <= _GREATEST_INT else _digits(value)
    if isinstance(value, Mapping):
        return {_text(str(key)): plain_value(member) for key, member in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)) and not hasattr(value, "_asdict"):
        return [plain_value(member) for member in value]
    if value is None or isinstance(value, bool):
        return value
    return _of_other_type(value)


def _of_other_type(value: Any) -> Any:
    """Returns an object of an output_type, or a part of one, as JSON has it: its fields, or its text."""
    if is_dataclass(value) and not isinstance(value, type):
        return {_text(member.name): plain_value(getattr(value, member.name)) for member in fields(value)}
    try:
        return plain_value(known_form(value))
    except TypeError:
        return _text(str(value))


def _text(value: str) -> str:
    """Returns a plain str that UTF-8 can encode: halves of an emoji join, and a single half is replaced."""
    if value.isascii():
        return str(value)
    return value.encode("utf-16-le", errors="surrogatepass").decode("utf-16-le", errors="replace")


def _digits(value: int) -> str:
    return format(value, "d") if value.bit_length() < 10_000 else hex(value)  # str() refuses long integers
