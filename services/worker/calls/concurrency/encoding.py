"""Text in which workers share the state of a limit and their reports.

Unknown fields are ignored, because workers of several versions may share a limit.
"""

import json
import math
from dataclasses import asdict, fields
from typing import Any, TypeVar

from services.worker.calls.concurrency.fleet import Report
from services.worker.calls.concurrency.round import Round
from services.worker.calls.concurrency.rule import LimitState

T = TypeVar("T")


def encode_state(state: LimitState, now: float) -> str:
    """Returns a state as JSON. Its times are relative.

    Args:
        state: The state.
        now: Time, by the clock of the state.
    """
    return json.dumps(asdict(state) | {"quiet_until": state.quiet_until - now})


def decode_state(text: str, age_seconds: float, now: float) -> LimitState | None:
    """Returns a shared state. None if it cannot be read.

    Args:
        text: JSON.
        age_seconds: Time since it was written.
        now: Time, by the clock of this process.
    """
    try:
        values = json.loads(text)
        values["quiet_until"] += now - age_seconds
        return _read(LimitState, values)
    except (ValueError, TypeError, KeyError):
        return None


def encode_report(report: Report) -> str:
    """Returns a report as JSON."""
    return json.dumps(asdict(report))


def decode_report(text: str) -> Report | None:
    """Returns a report of another worker. None if it cannot be read."""
    try:
        values = json.loads(text)
        values["calls"] = _read(Round, values["calls"])
        return _read(Report, values)
    except (ValueError, TypeError, KeyError):
        return None


def _read(kind: type[T], values: dict[str, Any]) -> T:
    known = {field.name: values[field.name] for field in fields(kind) if field.name in values}  # type: ignore[arg-type]
    for value in known.values():
        if isinstance(value, float) and math.isnan(value):
            raise ValueError("not a number")
    return kind(**known)
