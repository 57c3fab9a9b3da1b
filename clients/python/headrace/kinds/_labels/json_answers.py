"""Reads the single value of a JSON answer."""

import json
import re
from typing import Any

from headrace.kinds._labels.lead_ins import is_field_of_label

_CLOSING = {"{": "}", "[": "]", '"': '"'}
_ENDS = ("}", "]", '"')
# Everything but brackets: texts first, since they can hold some.
_BRACKETS = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|[^{}\[\]]', re.DOTALL)
_MAX_DEPTH = 8


class _Number(str):
    """A number as it is written."""

    __slots__ = ()


def json_answer(text: str) -> str | None:
    """Returns the value of ``{"label": "X"}``, ``["X"]`` or ``"X"``.

    Of an object with several fields it is the one named as a label, or else the only string. None if the text
    is not such JSON.
    """
    if len(text) < 2 or text[0] not in _CLOSING:
        return None
    if text[0] != '"' and text[-1] in _ENDS:
        text += _missing_brackets(text)
    if _CLOSING[text[0]] != text[-1]:
        return None
    try:
        value = json.loads(text, parse_int=_Number, parse_float=_Number, parse_constant=_Number, strict=False)
    except (ValueError, RecursionError):
        return None
    for _ in range(_MAX_DEPTH):
        if isinstance(value, dict):
            value = _value_of(value)
        elif isinstance(value, list) and len(value) == 1:
            value = value[0]
    if isinstance(value, bool):
        return str(value)
    return value if isinstance(value, str) else None


def _missing_brackets(text: str) -> str:
    """Returns the brackets that a limit or a stop sequence cut off from a JSON text."""
    missing = []
    for bracket in _BRACKETS.sub("", text):
        if bracket in "{[":
            missing.append(_CLOSING[bracket])
        elif missing:
            missing.pop()
    return "".join(reversed(missing[-_MAX_DEPTH:]))


def _value_of(fields: dict[str, Any]) -> Any:
    named = [value for name, value in fields.items() if is_field_of_label(name)]
    strings = [
        value for value in fields.values() if isinstance(value, str) and not isinstance(value, _Number)
    ]
    for values in (named, list(fields.values()), strings):
        if len(values) == 1:
            return values[0]
    return None
