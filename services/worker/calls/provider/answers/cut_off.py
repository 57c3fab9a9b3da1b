"""Reads an answer from JSON that was cut off behind it."""

import json
import re
from typing import Any

_TOKEN = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|["{}\[\],]', re.DOTALL)
_CLOSING = {"{": "}", "[": "]"}
_MAX_CHARACTERS = 4 * 1024 * 1024
_LENIENT = json.JSONDecoder(strict=False)


def read_cut_off(text: str) -> dict[str, Any] | None:
    """Returns the object of a text that was cut off after the finish_reason of its answer.

    The fields that were cut off are left out. None if the answer itself may be cut off.

    Args:
        text: Text that begins with the object.
    """
    closed = _close(text) if len(text) <= _MAX_CHARACTERS and '"finish_reason"' in text else None
    if closed is None:
        return None
    try:
        value = _LENIENT.decode(closed)
    except (ValueError, RecursionError):
        return None
    choices = value.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices else None
    return value if isinstance(choice, dict) and choice.get("finish_reason") else None


def _close(text: str) -> str | None:
    """Returns a text up to its last whole field, with the missing brackets. None if it has no field."""
    open_brackets: list[str] = []
    closed = None
    for token in _TOKEN.finditer(text):
        mark = token[0]
        if mark == '"':  # a text without an end
            break
        if mark in _CLOSING:
            open_brackets.append(_CLOSING[mark])
        elif mark == ",":
            closed = (token.start(), len(open_brackets))
        elif mark in "}]":
            if not open_brackets or open_brackets.pop() != mark:
                return None
            closed = (token.end(), len(open_brackets))
    if closed is None:
        return None
    end, depth = closed
    return text[:end] + "".join(reversed(open_brackets[:depth]))
