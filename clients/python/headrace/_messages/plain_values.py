"""Turns values that orjson does not know into JSON values: numpy scalars, Decimal, pydantic models, NaN."""

import math
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

_NAN = math.nan
_KNOWN = frozenset({str, int, bool, type(None), datetime, date, time, UUID})
_MISSING = ("NAType", "NaTType")
SURROGATE_REMEDY = "half of an emoji, or another single surrogate: remove it or replace it with U+FFFD"


class ValueRefusedError(ValueError):
    """JSON cannot hold a value. The message is the place in the item and the reason."""


def known_form(value: Any) -> Any:
    """Returns a value that orjson knows for one that it does not, as its ``default``.

    Decimal becomes its text, so that every digit stays. A time span becomes seconds. NaT and NA become NaN,
    which orjson writes as null: the caller decides about them.

    Raises:
        TypeError: The type has no JSON form.
    """
    if isinstance(value, Decimal):
        return str(value) if value.is_finite() else float(value)
    if isinstance(value, (float, tuple)):
        return _known_subclass(value)
    if type(value).__name__ in _MISSING:
        return _NAN
    if isinstance(value, (datetime, date, time)):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if type(value).__module__.partition(".")[0] == "numpy":
        return _numpy_form(value)
    if callable(dump := getattr(value, "model_dump", None)) and not isinstance(value, type):
        return dump(mode="json")
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"Type is not JSON serializable: {type(value).__name__}")


def has_missing_number(value: Any) -> bool:
    """Returns whether a value holds NaN, infinity, or an object of a type that orjson does not know."""
    kind = type(value)
    if kind in _KNOWN:
        return False
    if kind is float:
        return not math.isfinite(value)
    if kind is dict:
        return any(has_missing_number(member) for member in value.values() if type(member) not in _KNOWN)
    if kind is list or kind is tuple:
        return any(has_missing_number(member) for member in value)
    return True


def plain(value: Any, *, nan_as_null: bool = False, place: str = "") -> Any:
    """Returns a value made of None, bool, int, float, str, list and dict, with types that orjson knows.

    Args:
        value: Value of an item.
        nan_as_null: Whether NaN, NaT and NA become None. Otherwise they are refused.
        place: Place of the value in its item, such as ``.prices[2]``.

    Raises:
        ValueRefusedError: JSON cannot hold the value. The message names its place.
    """

    def inner(member: Any, where: str) -> Any:
        return plain(member, nan_as_null=nan_as_null, place=place + where)

    if isinstance(value, Enum):
        return inner(value.value, "")
    if isinstance(value, str):
        return _text(value, place)
    if isinstance(value, float):
        return _number(float(value), nan_as_null, place)
    if isinstance(value, int) and not -(2**63) <= value < 2**64:
        raise _refused("Integer exceeds 64-bit range: send it as text", place)
    if value is None or type(value) in _KNOWN or isinstance(value, int):
        return value
    if isinstance(value, dict):
        return {_key(key, place): inner(member, f".{key}") for key, member in value.items()}
    if isinstance(value, (list, tuple)) and not hasattr(value, "_asdict"):
        return [inner(member, f"[{index}]") for index, member in enumerate(value)]
    if is_dataclass(value) and not isinstance(value, type):
        return _fields_of(value, inner)
    try:
        known = known_form(value)
    except TypeError as error:
        raise _refused(str(error), place) from None
    return inner(known, "")


def _known_subclass(value: Any) -> Any:
    if isinstance(value, float):
        return float(value)
    return value._asdict() if hasattr(value, "_asdict") else list(value)


def _numpy_form(value: Any) -> Any:
    if getattr(value, "dtype", None) is None:
        raise TypeError(f"Type is not JSON serializable: {type(value).__name__}")
    if value.dtype.kind == "M":  # item() returns a number for nanoseconds
        texts = value.astype(str).tolist()
        return _without_nat(texts)
    if value.dtype.kind == "m":
        return (value / value.dtype.type(1, "s")).tolist()
    return value.tolist()


def _without_nat(texts: Any) -> Any:
    if isinstance(texts, list):
        return [_without_nat(text) for text in texts]
    return _NAN if texts == "NaT" else texts


def _fields_of(value: Any, inner: Callable[[Any, str], Any]) -> dict[str, Any]:
    return {
        member.name: inner(getattr(value, member.name), f".{member.name}")
        for member in fields(value)
        if not member.name.startswith("_")
    }


def _key(key: Any, place: str) -> str:
    if not isinstance(key, str):
        raise _refused(f"Dict key must be str, not {type(key).__name__} ({key!r})", place)
    return _text(key, place)


def _text(value: str, place: str) -> str:
    try:
        value.encode()
    except UnicodeEncodeError as error:
        where = f"surrogates not allowed, at character {error.start}"
        raise _refused(f"str is not valid UTF-8: {where}: {SURROGATE_REMEDY}", place) from None
    return value


def _number(value: float, nan_as_null: bool, place: str) -> float | None:
    if math.isfinite(value):
        return value
    if nan_as_null and math.isnan(value):
        return None
    raise _refused("NaN and infinity are not JSON numbers", place)


def _refused(why: str, place: str) -> ValueRefusedError:
    return ValueRefusedError(f"{place}: {why}" if place else why)
