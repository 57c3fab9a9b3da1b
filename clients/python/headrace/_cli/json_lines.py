"""Output with ``--json``: one object on each line, with proto field names and enums without prefix."""

import sys
from dataclasses import fields
from datetime import timedelta
from typing import Any

import orjson
from google.protobuf.duration_pb2 import Duration

from headrace._data.output.result_lines import json_fragment, plain_result
from headrace.resources import Item, JobEvent, Result


def write_json(value: Any, option: int = 0) -> None:
    """Writes one object to stdout, as a line, unless an option of orjson says otherwise.

    On a terminal, control characters in its strings are escaped. Elsewhere the strings are as they came.
    """
    write_bytes(json_bytes(value, option))


def json_bytes(value: Any, option: int = 0) -> bytes:
    """Returns one object as JSON that ends with a line feed, written with more options of orjson."""
    always = orjson.OPT_UTC_Z | orjson.OPT_APPEND_NEWLINE
    return orjson.dumps(_plain(value), default=_written, option=always | option)


def write_bytes(text: bytes) -> None:
    """Writes JSON to stdout. On a terminal, control characters in its strings are escaped."""
    sys.stdout.buffer.write(_without_controls(text) if sys.stdout.isatty() else text)


def write_json_now(value: Any) -> None:
    """Writes one object to stdout and flushes it."""
    write_json(value)
    sys.stdout.buffer.flush()


def _without_controls(line: bytes) -> bytes:
    """Returns equal JSON, without characters that a terminal would obey."""
    text = line.decode(errors="replace")
    return "".join(c if c.isprintable() or c in "\n\t" else _escape(c) for c in text).encode()


def _escape(character: str) -> str:
    units = character.encode("utf-16-be", errors="surrogatepass")
    return "".join(f"\\u{units[at]:02x}{units[at + 1]:02x}" for at in range(0, len(units), 2))


def _plain(value: Any) -> Any:
    if isinstance(value, JobEvent):
        return {member.name: getattr(value, member.name) for member in fields(value)}
    if isinstance(value, Result):
        return plain_result(value)
    if isinstance(value, Item):
        return _plain_item(value)
    return value


def _written(value: object) -> str:
    """Returns a timedelta in the JSON form of protobuf, such as ``31.500s``."""
    if not isinstance(value, timedelta):
        raise TypeError(type(value).__name__)
    duration = Duration()
    duration.FromTimedelta(value)
    return duration.ToJsonString()


def _plain_item(item: Item) -> dict[str, Any]:
    """Returns the fields of an item with the unchanged JSON text of its input."""
    plain = {member.name: getattr(item, member.name) for member in fields(item)}
    plain["input"] = json_fragment(plain.pop("input_text"))
    plain["result"] = plain_result(item.result) if item.result is not None else None
    return plain
