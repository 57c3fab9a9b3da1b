"""The ``--json`` form: an object a line, proto field names, defaults printed, enums without prefix."""

import sys
from dataclasses import fields
from typing import Any

import orjson

from headrace.resources import JobEvent, Result


def write_json(value: Any) -> None:
    """Writes one object to stdout, as a line."""
    sys.stdout.buffer.write(orjson.dumps(_plain(value), option=orjson.OPT_UTC_Z | orjson.OPT_APPEND_NEWLINE))


def write_json_now(value: Any) -> None:
    """Writes one object to stdout for a reader that waits for it."""
    write_json(value)
    sys.stdout.buffer.flush()


def _plain(value: Any) -> Any:
    if isinstance(value, JobEvent):
        return {"job": value.job, "resume_token": value.resume_token, "live_events": value.live_events}
    if isinstance(value, Result):
        return _plain_result(value)
    return value


def _plain_result(result: Result) -> dict[str, Any]:
    """Puts the output's own text in, so that it arrives as the kind wrote it, number for number."""
    plain = {member.name: getattr(result, member.name) for member in fields(result)}
    text = plain.pop("output_text")
    # A line feed in a JSON text is white space between its parts, and here it would end the line.
    plain["output"] = orjson.Fragment(text.replace("\n", " ").replace("\r", " ")) if text else None
    return plain
