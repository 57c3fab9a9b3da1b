"""Kinds of the values of a column, from the narrowest that holds all of them."""

import json
from typing import Any

import orjson

NOTHING = "nothing"
BOOLEAN, INTEGER, NUMBER, TEXT = "boolean", "integer", "number", "text"
JSON = "json"
LIST = "list of "
_LARGEST = 2**63 - 1
_BY_TYPE = {bool: BOOLEAN, int: INTEGER, float: NUMBER, str: TEXT, type(None): NOTHING}


def kind_of(value: Any) -> str:
    """Returns the kind of a JSON value: a scalar, a list of equal scalars, or else JSON."""
    kind = _BY_TYPE.get(type(value))
    if kind == INTEGER and not -_LARGEST - 1 <= value <= _LARGEST:
        return JSON
    if kind is not None:
        return kind
    return _kind_of_list(value) if isinstance(value, list) else JSON


def _kind_of_list(values: list[Any]) -> str:
    kind = NOTHING
    for member in set(map(type, values)):
        kind = common_kind(kind, _BY_TYPE.get(member, JSON))
    if kind in (INTEGER, NUMBER) and any(
        not -_LARGEST - 1 <= each <= _LARGEST for each in values if type(each) is int
    ):
        return JSON
    return JSON if kind == JSON else LIST + kind


def common_kind(one: str, other: str) -> str:
    """Returns the narrowest kind that holds the values of both."""
    if other in (one, NOTHING):
        return one
    if one == NOTHING:
        return other
    if {one, other} == {INTEGER, NUMBER}:
        return NUMBER
    if one.startswith(LIST) and other.startswith(LIST):
        members = common_kind(one.removeprefix(LIST), other.removeprefix(LIST))
        return JSON if members == JSON else LIST + members
    return JSON


def json_text(value: Any) -> str:
    """Returns the JSON text of a value. A string stays as it is."""
    if isinstance(value, str):
        return value
    try:
        return orjson.dumps(value).decode()
    except TypeError:  # an integer over 64 bit
        return json.dumps(value, ensure_ascii=False)
