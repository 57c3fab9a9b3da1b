"""Results as JSON lines, and lines as results again."""

import json
from dataclasses import dataclass
from typing import Any

import orjson

from headrace._data.limits import MAX_ITEM_COUNT
from headrace.resources import ItemState, Result

_OPTIONS = orjson.OPT_UTC_Z | orjson.OPT_APPEND_NEWLINE


def plain_result(result: Result[Any]) -> dict[str, Any]:
    """Returns the fields of a result by their names in the API. Payloads are their unchanged JSON text."""
    return {
        "item_index": result.item_index,
        "item_key": result.item_key,
        "state": result.state,
        "error": result.error,
        "attempt_count": result.attempt_count,
        "usage": result.usage,
        "finish_time": result.finish_time,
        "failed_attempts": result.failed_attempts,
        "input": json_fragment(result.input_text),
        "output": None if result.error else json_fragment(result.output_text),
    }


def result_line(result: Result[Any]) -> bytes:
    """Returns a result as one line of JSON, with a line feed at its end."""
    return orjson.dumps(plain_result(result), option=_OPTIONS)


def json_fragment(text: str) -> orjson.Fragment | None:
    """Returns JSON text as orjson writes it: unchanged, in one line. None for an empty text."""
    # A line feed in JSON text is white space between its parts, but it would end the line here.
    return orjson.Fragment(text.replace("\n", " ").replace("\r", " ")) if text else None


@dataclass(frozen=True)
class LineHead:
    """The part of a line that says which result it is.

    Attributes:
        item_index: Index of its item.
        has_output: Whether its item has an output in the store, also one of another type than asked for.
    """

    item_index: int
    has_output: bool


def read_line(line: bytes) -> dict[str, Any]:
    """Returns the fields of a line. Single surrogates become U+FFFD, since no table can hold them.

    Raises:
        ValueError: The line is not JSON.
    """
    try:
        fields: dict[str, Any] = orjson.loads(line)
    except orjson.JSONDecodeError:  # stricter than JSON: refuses single surrogates
        fields = _whole_text(json.loads(line))
    return fields


def line_head(line: bytes, mismatch_reason: str) -> LineHead | None:
    """Returns the head of a line, or None if it is not a whole line of a result.

    Args:
        line: A line with its line feed.
        mismatch_reason: Reason of failures that the client found itself.
    """
    if not line.endswith(b"\n"):
        return None
    try:
        fields = read_line(line)
        index, state, error = fields["item_index"], fields["state"], fields["error"]
        reason = error["reason"] if error else ""
    except (ValueError, TypeError, KeyError):
        return None
    if type(index) is not int or not 0 <= index < MAX_ITEM_COUNT or not isinstance(state, str):
        return None
    return LineHead(index, state != ItemState.FAILED or reason == mismatch_reason)


def _whole_text(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, list):
        return [_whole_text(member) for member in value]
    if isinstance(value, dict):
        return {_whole_text(key): _whole_text(member) for key, member in value.items()}
    return value
