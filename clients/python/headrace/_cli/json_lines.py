"""The ``--json`` form: an object a line, proto field names, defaults printed, enums without prefix."""

import sys
from dataclasses import fields
from datetime import timedelta
from typing import Any

import orjson
from google.protobuf.duration_pb2 import Duration

from headrace.resources import JobEvent, Result


def write_json(value: Any) -> None:
    """Writes one object to stdout, as a line."""
    option = orjson.OPT_UTC_Z | orjson.OPT_APPEND_NEWLINE
    sys.stdout.buffer.write(orjson.dumps(_plain(value), default=_written, option=option))


def write_json_now(value: Any) -> None:
    """Writes one object to stdout for a reader that waits for it."""
    write_json(value)
    sys.stdout.buffer.flush()


def _plain(value: Any) -> Any:
    if isinstance(value, JobEvent):
        return {member.name: getattr(value, member.name) for member in fields(value)}
    if isinstance(value, Result):
        return _plain_result(value)
    return value


def _written(value: object) -> str:
    """Returns a length of time as protobuf's JSON has it, such as ``31.500s``."""
    if not isinstance(value, timedelta):
        raise TypeError(type(value).__name__)
    duration = Duration()
    duration.FromTimedelta(value)
    return duration.ToJsonString()


def _plain_result(result: Result) -> dict[str, Any]:
    """Puts the output's own text in, so that it arrives as the kind wrote it, number for number."""
    plain = {member.name: getattr(result, member.name) for member in fields(result)}
    text = plain.pop("output_text")
    # A line feed in a JSON text is white space between its parts, and here it would end the line.
    plain["output"] = orjson.Fragment(text.replace("\n", " ").replace("\r", " ")) if text else None
    return plain
